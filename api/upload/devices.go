package upload

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/devicefile"
	"github.com/muster-iot/muster/fleet"
)

// maxImport is how many devices one import takes.
const maxImport = devicefile.MaxRows

// DevicesBody reads NewDevices from JSON, a form, or a multipart body with a file that
// devicefile reads.
type DevicesBody struct {
	in   api.NewDevices
	file []fleet.NewDevice
}

// Resolve reads the body; huma calls it.
func (b *DevicesBody) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		if err := route.ReadBody(ctx, &b.in); err != nil {
			return []error{err}
		}
		return nil
	}
	r.Body = route.LongBody(r, w, devicefile.MaxBytes+maxOverhead)
	parts, err := r.MultipartReader()
	if err != nil {
		return []error{route.Malformed("the multipart body is not well formed: " + err.Error())}
	}
	if err := b.readParts(parts); err != nil {
		return []error{err}
	}
	return nil
}

func (b *DevicesBody) readParts(parts *multipart.Reader) error {
	form := map[string][]string{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return b.readFields(form)
		}
		if err != nil {
			return route.BodyError(err)
		}
		if part.FormName() == "file" {
			err = b.readFile(part)
		} else {
			err = readField(form, part)
		}
		if err != nil {
			return err
		}
	}
}

// readFile reads a file. A list of ids has an outcome for each, also for those that are invalid,
// as Particle's import has; of a file with a heading nothing is imported if a row is invalid.
func (b *DevicesBody) readFile(part io.Reader) error {
	data, err := io.ReadAll(part)
	if err != nil {
		return route.BodyError(err)
	}
	file, err := devicefile.Parse(data)
	if err != nil {
		return err
	}
	if err := file.Err(); err != nil && file.Columns != nil {
		return err
	}
	b.file = append(b.file, file.Devices()...)
	return nil
}

func (b *DevicesBody) readFields(form map[string][]string) error {
	return route.DecodeForm(form, &b.in)
}

// devices returns all devices of the body.
func (b *DevicesBody) devices() ([]fleet.NewDevice, error) {
	devices := append(slices.Clip(b.file), fleet.NewDevices(b.in.IDs...)...)
	if b.in.ID != "" {
		devices = append(devices, fleet.NewDevice{ID: b.in.ID})
	}
	for _, d := range b.in.Devices {
		secret, err := secretOf(d)
		if err != nil {
			return nil, err
		}
		devices = append(devices, fleet.NewDevice{ID: d.ID, Name: d.Name, Notes: d.Notes, Groups: d.Groups, Product: d.Product, Secret: secret})
	}
	return devices, nil
}

// secretOf returns the hash of the secret that d has already, zero if it has none.
func secretOf(d api.NewDevice) (hash fleet.Secret, err error) {
	switch {
	case d.Secret != "" && d.Hash != "":
		return hash, fleet.FieldErrorf("secret", "device %.140s: send the secret or its SHA-256, not both", d.ID)
	case d.Secret != "":
		if hash, err = fleet.HashSecret(d.Secret); err != nil {
			return hash, fleet.FieldErrorf("secret", "device %.140s: %s", d.ID, err)
		}
	case d.Hash != "":
		if hash, err = fleet.ParseSecretHash(d.Hash); err != nil {
			return hash, fleet.FieldErrorf("secret_sha256", "device %.140s: %s", d.ID, err)
		}
	}
	return hash, nil
}

// readField reads a small text part into form.
func readField(form map[string][]string, part *multipart.Part) error {
	text, err := io.ReadAll(io.LimitReader(part, maxFieldBytes+1))
	if err != nil {
		return route.BodyError(err)
	}
	if len(text) > maxFieldBytes {
		return fleet.FieldErrorf(part.FormName(), "longer than %d bytes", maxFieldBytes)
	}
	form[part.FormName()] = append(form[part.FormName()], string(text))
	return nil
}

// RequestBody describes the body in the document.
func (b *DevicesBody) RequestBody(r huma.Registry) *huma.RequestBody {
	schema := r.Schema(reflect.TypeFor[api.NewDevices](), true, "")
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json":                  {Schema: schema},
		"application/x-www-form-urlencoded": {Schema: schema},
		"multipart/form-data": {Schema: &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{
			"file":   {Type: "string", Format: "binary", Description: "One device id a line, or CSV with a heading: id, name, groups, notes, secret, secret_sha256, product"},
			"groups": {Type: "string", Description: "Names separated by commas"},
		}}},
	}}
}

func (u *uploads) importRoute() route.Route {
	const summary = "Import devices: one, many, or a file; with their names, groups, notes and secrets, if you have them; with Accept: application/x-ndjson a line for each, as it is done"
	return route.Post("ImportDevices", "/v1/products/{product}/devices", summary, route.Needs(fleet.ImportDevices), u.importDevices).
		Example(`{"ids":["lamp-7","lamp-8"],"groups":["beta"]}`).
		Responds(func(schemas huma.Registry) map[string]*huma.Response {
			return map[string]*huma.Response{"200": {Description: "The outcome of each", Content: map[string]*huma.MediaType{
				"application/json": {Schema: schemas.Schema(reflect.TypeFor[api.Imported](), true, "")},
				ndjson:             {Schema: schemas.Schema(reflect.TypeFor[api.ImportLine](), true, "")},
			}}}
		})
}

func (u *uploads) importDevices(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	rest.Preview
	rest.ParticleImport
	DevicesBody
	Accept string `header:"Accept" doc:"application/x-ndjson: answers one line per device, and a progress line per thousand"`
}) (*huma.StreamResponse, error) {
	devices, err := in.devices()
	if err != nil {
		return nil, err
	}
	order := fleet.Import{Product: in.Found().ID, Devices: devices, Groups: in.in.Groups, Gateway: fleet.DeviceNamed(in.in.Gateway)}
	if len(devices) == 0 || len(devices) > maxImport {
		return nil, fleet.FieldErrorf("ids", "send 1 to %d devices: id, ids, devices, or a file", maxImport)
	}
	if in.DryRun {
		preview, err := u.Registry.PreviewImport(ctx, who, order)
		if err != nil {
			return nil, err
		}
		out := rest.ShownImport(preview.Imported)
		out.NewGroups = preview.NewGroups
		for _, row := range preview.Targets {
			out.ByVersion = append(out.ByVersion, api.VersionCount{Version: api.Version{Version: row.Version}, Total: row.Devices})
		}
		return answerImport(out), nil
	}
	if strings.Contains(in.Accept, ndjson) {
		return u.importLines(ctx, who, order)
	}
	done, err := u.Registry.Import(ctx, who, order)
	if err != nil {
		return nil, err
	}
	return answerImport(rest.ShownImport(done)), nil
}

func answerImport(out api.Imported) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		_ = json.NewEncoder(ctx.BodyWriter()).Encode(out) // the client has gone
	}}
}
