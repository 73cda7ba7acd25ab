package api

import (
	"context"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// Firmware is one firmware of a product in Particle's shape.
type Firmware struct {
	ID          string     `json:"_id"`
	Version     Version    `json:"version"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Name        string     `json:"name" doc:"File name it was uploaded under"`
	Size        int64      `json:"size" doc:"Bytes"`
	SHA256      string     `json:"sha256"`
	ProductID   uint32     `json:"product_id"`
	Default     bool       `json:"product_default" doc:"It is the product default"`
	Groups      []string   `json:"groups" doc:"Groups it is released to, as far as you may see them"`
	Released    bool       `json:"released" doc:"It was released at some time: it can't be deleted any more"`
	Devices     int        `json:"device_count" doc:"Devices that run it"`
	Mandatory   bool       `json:"mandatory"`
	Current     bool       `json:"current" doc:"The same as product_default"`
	Intelligent bool       `json:"intelligent" doc:"In the answer to a release: it went out at once"`
	Uploaded    *time.Time `json:"uploaded_on"`
	UploadedAt  *time.Time `json:"uploaded_at"`
	By          Uploader   `json:"uploaded_by"`
	Updated     *time.Time `json:"updated_at,omitempty" doc:"In the answer to a release"`
}

// Uploader is who uploaded a firmware.
type Uploader struct {
	Username string `json:"username"`
}

// FirmwareFields are what can be changed of a firmware.
type FirmwareFields struct {
	Title       *string `json:"title,omitempty"`
	Description *string `json:"description,omitempty"`
	Mandatory   ignored `json:"mandatory,omitzero"`
}

// FirmwarePath names a firmware of a product.
type FirmwarePath struct {
	ProductPath
	Version string `path:"version" doc:"Version of the firmware" example:"7"`
}

func (s *server) firmware() {
	const tag, all, one = "firmware", "/v1/products/{product}/firmware", "/v1/products/{product}/firmware/{version}"
	add(s, route{id: "ListFirmware", method: http.MethodGet, path: all, summary: "All firmware of a product, newest version first", tag: tag, access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, in *ProductPath) (*reply[[]Firmware], error) {
			product, err := s.Product(ctx, who, in.Product)
			if err != nil {
				return nil, err
			}
			released, err := s.ota.Firmware(ctx, who, product.ID)
			if err != nil {
				return nil, err
			}
			shown := []Firmware{}
			names, err := s.GroupNames(ctx, who, product.ID)
			for _, r := range released {
				shown = append(shown, shownFirmware(r, names))
			}
			return answer(shown, err)
		})
	add(s, route{id: "GetFirmware", method: http.MethodGet, path: one, summary: "One firmware", tag: tag, access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, in *FirmwarePath) (*tagged[Firmware], error) {
			product, v, err := s.firmwareOf(ctx, who, *in)
			if err != nil {
				return nil, err
			}
			all, err := s.ota.Firmware(ctx, who, product)
			if err != nil {
				return nil, err
			}
			i := slices.IndexFunc(all, func(r fleet.Released) bool { return r.Version.Equal(v) })
			if i < 0 {
				return nil, fleet.Errorf(fleet.NotFound, "no such firmware: %s", v)
			}
			return s.oneFirmware(ctx, who, all[i], nil)
		})
	add(s, route{id: "UpdateFirmware", method: http.MethodPut, path: one, summary: "Change title and description", tag: tag, access: needs(fleet.EditProducts), errors: []int{http.StatusPreconditionFailed},
		example: `{"title":"Seven","description":"Dims without flicker"}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			FirmwarePath
			IfMatch
			Input[FirmwareFields]
		}) (*tagged[Firmware], error) {
			product, v, err := s.firmwareOf(ctx, who, in.FirmwarePath)
			if err != nil {
				return nil, err
			}
			released, err := s.ota.EditFirmware(ctx, who, product, v, fleet.FirmwareEdit{Title: in.In.Title, Description: in.In.Description, If: in.seen})
			return s.oneFirmware(ctx, who, released, err)
		})
	add(s, route{id: "DeleteFirmware", method: http.MethodDelete, path: one, summary: "Delete a firmware that was never released", tag: tag, access: needs(fleet.EditProducts), errors: []int{http.StatusConflict}},
		func(ctx context.Context, who fleet.Actor, in *FirmwarePath) (*none, error) {
			product, v, err := s.firmwareOf(ctx, who, *in)
			if err != nil {
				return nil, err
			}
			return nil, s.ota.DeleteFirmware(ctx, who, product, v)
		})
	add(s, route{id: "DownloadFirmware", method: http.MethodGet, path: one + "/binary", summary: "The image's bytes", tag: tag, access: needs(fleet.DownloadImage)}, s.download)
}

// download streams an image.
func (s *server) download(ctx context.Context, who fleet.Actor, in *FirmwarePath) (*huma.StreamResponse, error) {
	product, v, err := s.firmwareOf(ctx, who, *in)
	if err != nil {
		return nil, err
	}
	image, f, err := s.ota.Image(ctx, who, product, v)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer image.Close()
		ctx.SetHeader("Content-Type", "application/octet-stream")
		ctx.SetHeader("Content-Length", strconv.FormatInt(f.Size, 10))
		ctx.SetHeader("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.File}))
		ctx.SetStatus(http.StatusOK)
		_, _ = io.Copy(ctx.BodyWriter(), image) // a short body tells the client by its length
	}}, nil
}

// firmwareOf reads a path. A version that can't be one names no firmware.
func (s *server) firmwareOf(ctx context.Context, who fleet.Actor, in FirmwarePath) (fleet.ProductID, fleet.Version, error) {
	product, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return 0, fleet.Version{}, err
	}
	v, err := fleet.ParseVersion(in.Version)
	if err != nil {
		return 0, fleet.Version{}, fleet.Errorf(fleet.NotFound, "no such firmware: %.70s", in.Version)
	}
	return product.ID, v, nil
}

func (s *server) oneFirmware(ctx context.Context, who fleet.Actor, r fleet.Released, err error) (*tagged[Firmware], error) {
	if err != nil {
		return nil, err
	}
	names, err := s.GroupNames(ctx, who, r.Product)
	return answerTagged(r.Tag, shownFirmware(r, names), err)
}

func shownFirmware(r fleet.Released, names map[fleet.GroupID]string) Firmware {
	return Firmware{
		ID: r.Product.String() + "-" + r.Version.Key(), Version: Version{r.Version}, Title: r.Title, Description: r.Description,
		Name: r.File, Size: r.Size, SHA256: r.Digest.String(), ProductID: uint32(r.Product),
		Default: r.Default, Current: r.Default, Groups: namesOf(r.Groups, names), Released: r.Released, Devices: r.Devices,
		Uploaded: moment(r.Uploaded), UploadedAt: moment(r.Uploaded), By: Uploader{r.By},
	}
}
