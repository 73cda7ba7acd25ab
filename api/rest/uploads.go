package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// Limits of a multipart upload beside the image's own.
const (
	maxFieldBytes = 16 << 10
	maxParts      = 32
	maxOverhead   = 64 << 10 // bytes of part headers and boundaries
)

// UploadBody hands the request to the handler, which reads it after it knows that the
// actor may upload at all.
type UploadBody struct {
	request *http.Request
	writer  http.ResponseWriter
}

// Resolve keeps the request; huma calls it.
func (u *UploadBody) Resolve(ctx huma.Context) []error {
	u.request, u.writer = humago.Unwrap(ctx)
	return nil
}

// RequestBody describes the body in the document.
func (u *UploadBody) RequestBody(huma.Registry) *huma.RequestBody {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: "string", Description: doc} }
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
		Type: "object", Required: []string{"file", "version"}, Properties: map[string]*huma.Schema{
			"file":        {Type: "string", Format: "binary", Description: "The image; it may come before the other parts, and without a length"},
			"version":     text("A whole number such as 7, or a semantic version such as 1.4.0"),
			"title":       text("A few words"),
			"description": text("What changed"),
		},
	}}}}
}

func (a *API) upload(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	UploadBody
}) (*route.Tagged[api.Firmware], error) {
	in.request.Body = route.LongBody(in.request, in.writer, a.Config.MaxImage+maxParts*maxFieldBytes+maxOverhead)
	parts, err := in.request.MultipartReader()
	if err != nil {
		return nil, &api.Problem{
			Code: "unsupported_media_type", Description: "send multipart/form-data with the parts file, version, title and description",
			Status: http.StatusUnsupportedMediaType,
		}
	}
	image, err := os.CreateTemp(a.Config.Spool, "upload-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(image.Name())
	defer image.Close()
	f, err := readUpload(parts, image)
	if err != nil {
		return nil, err
	}
	f.Product, f.By = in.product.ID, who.Email
	stored, err := a.OTA.Upload(ctx, who, f, image)
	return a.oneFirmware(ctx, who, fleet.Released{Firmware: stored}, err)
}

// readUpload reads all parts, in whatever order, and leaves image at its start. The
// version, which may come last, is needed to store the image: hence the detour by a file.
func readUpload(parts *multipart.Reader, image *os.File) (f fleet.Firmware, err error) {
	form := map[string][]string{}
	found := false
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return readUploadFields(f, form, found)
		}
		if err != nil {
			return f, route.BodyError(err)
		}
		switch name := part.FormName(); {
		case name == "file" || name == "binary":
			if found {
				return f, fleet.FieldErrorf("file", "send one file")
			}
			found = true
			f.File = fileName(part.FileName())
			err = spool(image, part)
		default:
			err = readField(form, part)
		}
		if err != nil {
			return f, err
		}
	}
	return f, route.Malformed(fmt.Sprintf("more than %d parts", maxParts))
}

func readUploadFields(f fleet.Firmware, form map[string][]string, found bool) (fleet.Firmware, error) {
	var fields struct {
		Version     api.Version `json:"version"`
		Title       string      `json:"title"`
		Description string      `json:"description"`
		Mandatory   api.Ignored `json:"mandatory"`
	}
	if err := route.DecodeForm(form, &fields); err != nil {
		return f, err
	}
	if !found {
		return f, fleet.FieldErrorf("file", "the image is missing: send it as the part file")
	}
	if fields.Version.IsZero() {
		return f, fleet.FieldErrorf("version", "the version is missing: send it as the part version")
	}
	f.Version, f.Title, f.Description = fields.Version.Version, fields.Title, fields.Description
	return f, nil
}

func spool(image *os.File, part io.Reader) error {
	var disk *fs.PathError
	switch _, err := io.Copy(image, part); {
	case errors.As(err, &disk): // not the client's fault
		return err
	case err != nil:
		return route.BodyError(err)
	}
	_, err := image.Seek(0, io.SeekStart)
	return err
}

// fileName is the last element of what a client calls its file.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	if name == "." || name == "/" {
		return "firmware.bin"
	}
	return name
}
