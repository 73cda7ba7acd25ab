package rest

import (
	"context"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

func (a *API) firmware() route.Table {
	const all, one = "/v1/products/{product}/firmware", "/v1/products/{product}/firmware/{version}"
	return route.Table{Tag: "firmware", Routes: []route.Route{
		route.Get("ListFirmware", all, "All firmware of a product, newest version first", route.Needs(fleet.SeeTeam), a.listFirmware),
		route.Get("GetFirmware", one, "One firmware", route.Needs(fleet.SeeTeam), a.getFirmware),
		route.Put("UpdateFirmware", one, "Change title and description, and which devices can take it", route.Needs(fleet.EditProducts), a.updateFirmware).
			Fails(http.StatusPreconditionFailed).Example(`{"title":"Seven","description":"Dims without flicker"}`),
		route.Delete("DeleteFirmware", one, "Delete a firmware that was never released", route.Needs(fleet.EditProducts), a.deleteFirmware).
			Fails(http.StatusConflict),
		route.Get("DownloadFirmware", one+"/binary", "The image's bytes", route.Needs(fleet.DownloadImage), a.download),
	}}
}

func (a *API) listFirmware(ctx context.Context, who fleet.Actor, in *ProductPath) (*route.Reply[[]api.Firmware], error) {
	released, err := a.Releases.Firmware(ctx, who, in.product.ID)
	if err != nil {
		return nil, err
	}
	shown := []api.Firmware{}
	names, err := a.Registry.GroupNames(ctx, who, in.product.ID)
	for _, r := range released {
		shown = append(shown, shownFirmware(r, names))
	}
	return route.Answer(shown, err)
}

func (a *API) getFirmware(ctx context.Context, who fleet.Actor, in *FirmwarePath) (*route.Tagged[api.Firmware], error) {
	all, err := a.Releases.Firmware(ctx, who, in.product.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(r fleet.FirmwareView) bool { return r.Version.Equal(in.version) })
	if i < 0 {
		return nil, fleet.Errorf(fleet.NotFound, "no such firmware: %s", in.version)
	}
	return a.AnswerFirmware(ctx, who, all[i], nil)
}

func (a *API) updateFirmware(ctx context.Context, who fleet.Actor, in *struct {
	FirmwarePath
	route.IfMatch
	route.Input[api.FirmwareFields]
}) (*route.Tagged[api.Firmware], error) {
	edit := fleet.FirmwareEdit{Title: in.In.Title, Description: in.In.Description, Notes: in.In.Notes, Hardware: (*[]string)(in.In.Hardware), If: in.Seen}
	if in.In.Requires != nil {
		requires, err := Requirement(*in.In.Requires)
		if err != nil {
			return nil, err
		}
		edit.Requires = &requires
	}
	released, err := a.Releases.EditFirmware(ctx, who, in.product.ID, in.version, edit)
	return a.AnswerFirmware(ctx, who, released, err)
}

// Requirement reads the versions that a firmware can be installed over.
func Requirement(text string) (fleet.Range, error) {
	r, err := fleet.ParseRange(text)
	if err != nil {
		return r, fleet.FieldErrorf("requires", "%s", err)
	}
	return r, nil
}

func (a *API) deleteFirmware(ctx context.Context, who fleet.Actor, in *FirmwarePath) (*route.None, error) {
	return nil, a.Releases.DeleteFirmware(ctx, who, in.product.ID, in.version)
}

// download streams an image.
func (a *API) download(ctx context.Context, who fleet.Actor, in *FirmwarePath) (*huma.StreamResponse, error) {
	image, f, err := a.Releases.Image(ctx, who, in.product.ID, in.version)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer image.Close()
		ctx.SetHeader("Content-Type", "application/octet-stream")
		ctx.SetHeader("Content-Length", strconv.FormatInt(f.Size, 10))
		ctx.SetHeader("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.File}))
		ctx.SetStatus(http.StatusOK)
		_, _ = io.Copy(ctx.BodyWriter(), image) // the client notices a short body by its length
	}}, nil
}

// AnswerFirmware answers one firmware, or err.
func (a *API) AnswerFirmware(ctx context.Context, who fleet.Actor, r fleet.FirmwareView, err error) (*route.Tagged[api.Firmware], error) {
	if err != nil {
		return nil, err
	}
	names, err := a.Registry.GroupNames(ctx, who, r.Product)
	return route.AnswerTagged(r.Tag, shownFirmware(r, names), err)
}

func shownFirmware(r fleet.FirmwareView, names map[fleet.GroupID]string) api.Firmware {
	return api.Firmware{
		ID: r.Product.String() + "-" + r.Version.Key(), Version: version(r.Version), Title: r.Title, Description: r.Description, Notes: r.Notes,
		Name: r.File, Size: r.Size, SHA256: r.Digest.String(), ProductID: uint32(r.Product),
		Default: r.Default, Current: r.Default, Groups: NamesOf(r.Groups, names), Released: r.WasReleased, Devices: r.Devices,
		Uploaded: Moment(r.Uploaded), UploadedAt: Moment(r.Uploaded), By: api.Uploader{Username: r.By},
		Metadata: shownMetadata(r.Metadata), Forced: r.Forced,
		Hardware: append([]string{}, r.Hardware...), Requires: r.Requires.String(), Floor: r.Floor,
		Release: underWay(r.Staged),
	}
}

func shownMetadata(m fleet.Metadata) *api.Metadata {
	if m.Format == fleet.Opaque {
		return nil
	}
	return &api.Metadata{
		Format: string(m.Format), Version: m.Version, Project: m.Project, Hardware: m.Hardware, MinRevision: m.MinRevision, Depends: m.Depends,
		Counter: m.Counter, Signed: m.Signed, Encrypted: m.Encrypted, Built: m.Built, SDK: m.SDK,
	}
}
