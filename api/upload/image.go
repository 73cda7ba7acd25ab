package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// Limits of a multipart upload, in addition to the image's.
const (
	maxFieldBytes = 16 << 10
	maxParts      = 32
	maxOverhead   = 64 << 10 // bytes of part headers and boundaries
)

// ImageBody passes the request to the handler, which reads the body after the actor's
// right to upload was checked.
type ImageBody struct {
	request *http.Request
	writer  http.ResponseWriter
}

// Resolve keeps the request; huma calls it.
func (b *ImageBody) Resolve(ctx huma.Context) []error {
	b.request, b.writer = humago.Unwrap(ctx)
	return nil
}

// RequestBody describes the body in the document.
func (b *ImageBody) RequestBody(huma.Registry) *huma.RequestBody {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: "string", Description: doc} }
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
		Type: "object", Required: []string{"file"}, Properties: map[string]*huma.Schema{
			"file": {Type: "string", Format: "binary", Description: "The image; it may come before the other parts, and without a length"},
			"version": text("A whole number such as 7, or a semantic version such as 1.4.0. Sent before the file, it is checked before the image is read. " +
				"It may be left out for an image that states its version (ESP-IDF, MCUboot, UF2)"),
			"force_version": {Type: "boolean", Description: "Upload it even if the image states another version. An update is confirmed only if the device reports the one given here"},
			"hardware":      text("Hardware revisions it is for, separated by commas; by default all"),
			"requires":      text("Versions it can be installed over, such as >=1.4.0 <2.0.0; by default all"),
			"floor":         {Type: "integer", Description: "Security counter: a device that runs it takes no firmware with a lower one. By default the one that the image states"},
			"title":         text("A few words"),
			"description":   text("What changed"),
			"notes":         text("Release notes: text for those who install it"),
		},
	}}}}
}

func (u *uploads) uploadFirmware(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	ImageBody
}) (*route.Tagged[api.Firmware], error) {
	request := in.request.WithContext(ctx) // a copy: with another body, net/http would read on before it answers
	request.Body = route.LongBody(in.request, in.writer, u.Config.MaxImage+maxParts*maxFieldBytes+maxOverhead)
	parts, err := request.MultipartReader()
	if err != nil {
		return nil, &api.Problem{
			Code: "unsupported_media_type", Description: "send multipart/form-data with the parts file, version, title and description",
			Status: http.StatusUnsupportedMediaType,
		}
	}
	upload, err := u.Releases.Begin(ctx, who, in.Found().ID)
	if err != nil {
		return nil, err
	}
	defer upload.Close()
	f, err := readUpload(parts,
		func(f fleet.Firmware) error { return upload.Check(ctx, f) },
		func(image io.Reader) error { return upload.Stage(ctx, image) })
	if err != nil {
		return nil, err
	}
	stored, err := upload.Commit(ctx, f)
	return u.AnswerFirmware(ctx, who, fleet.FirmwareView{Firmware: stored}, err)
}

// readUpload reads all parts, in whatever order, and stages the image. Where the version
// comes before the image, it is checked before the image is read.
func readUpload(parts *multipart.Reader, check func(fleet.Firmware) error, stage func(io.Reader) error) (f fleet.Firmware, err error) {
	form := map[string][]string{}
	file := ""
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return uploadFields(form, file)
		}
		if err != nil {
			return f, route.BodyError(err)
		}
		switch name := part.FormName(); {
		case name != "file" && name != "binary":
			err = readField(form, part)
		case file != "":
			err = fleet.FieldErrorf("file", "send one file")
		default:
			file = fileName(part.FileName())
			err = readImage(form, file, imagePart{part}, check, stage)
		}
		if err != nil {
			return f, err
		}
	}
	return f, route.Malformed(fmt.Sprintf("more than %d parts", maxParts))
}

// readImage stages an image, after it has checked the fields that came before it.
func readImage(form map[string][]string, file string, image io.Reader, check func(fleet.Firmware) error, stage func(io.Reader) error) error {
	if len(form["version"]) > 0 {
		f, err := uploadFields(form, file)
		if err != nil {
			return err
		}
		if err := check(f); err != nil {
			return err
		}
	}
	return stage(image)
}

// imagePart is the part with the image. An error of it is the client's; one of the disk is
// not.
type imagePart struct{ io.Reader }

func (p imagePart) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = route.BodyError(err)
	}
	return n, err
}

// uploadFields is the firmware that form describes; file is the name of its image, "" where
// there was none.
func uploadFields(form map[string][]string, file string) (f fleet.Firmware, err error) {
	var fields struct {
		Version     api.Version `json:"version"`
		Title       string      `json:"title"`
		Description string      `json:"description"`
		Notes       string      `json:"notes"`
		Force       bool        `json:"force_version"`
		Hardware    api.Names   `json:"hardware"`
		Requires    string      `json:"requires"`
		Floor       uint32      `json:"floor"`
		Mandatory   api.Ignored `json:"mandatory"`
	}
	if err := route.DecodeForm(form, &fields); err != nil {
		return f, err
	}
	if file == "" {
		return f, fleet.FieldErrorf("file", "the image is missing: send it as the part file")
	}
	requires, err := rest.Requirement(fields.Requires)
	return fleet.Firmware{
		Version: fields.Version.Version, Forced: fields.Force, Title: fields.Title, Description: fields.Description, Notes: fields.Notes, File: file,
		Hardware: fields.Hardware, Requires: requires, Floor: fields.Floor,
	}, err
}

// fileName is the last element of what a client calls its file.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	if name == "." || name == "/" {
		return "firmware.bin"
	}
	return name
}
