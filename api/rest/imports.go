package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// Limits of one import.
const (
	maxImportBytes = 8 << 20
	maxImport      = 100_000 // devices
	maxImportLine  = 4 << 10 // bytes; an id has at most 128
)

// ImportBody reads NewDevices from JSON, a form, or a multipart body with a file of one id
// per line.
type ImportBody struct{ in api.NewDevices }

// Resolve reads the body; huma calls it.
func (b *ImportBody) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		if err := route.ReadBody(ctx, &b.in); err != nil {
			return []error{err}
		}
		return nil
	}
	r.Body = route.LongBody(r, w, maxImportBytes)
	parts, err := r.MultipartReader()
	if err != nil {
		return []error{route.Malformed("the multipart body is not well formed: " + err.Error())}
	}
	if err := b.readParts(parts); err != nil {
		return []error{err}
	}
	return nil
}

func (b *ImportBody) readParts(parts *multipart.Reader) error {
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
			err = b.readLines(part)
		} else {
			err = readField(form, part)
		}
		if err != nil {
			return err
		}
	}
}

// readLines reads one id a line, whatever ends lines on the system the file is from.
func (b *ImportBody) readLines(file io.Reader) error {
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 0, maxImportLine), maxImportLine)
	lines.Split(splitLines)
	at := 1
	for ; lines.Scan(); at++ {
		if id := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")); id != "" {
			b.in.IDs = append(b.in.IDs, id)
		}
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return fleet.FieldErrorf("file", "line %d is longer than %d bytes: a file has one device id a line", at, maxImportLine)
	}
	if err != nil {
		return route.BodyError(err)
	}
	return nil
}

// splitLines is a bufio.SplitFunc for lines that end in LF, CR LF or CR.
func splitLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if end := bytes.IndexAny(data, "\r\n"); end >= 0 {
		if data[end] == '\n' || end+1 < len(data) && data[end+1] != '\n' {
			return end + 1, data[:end], nil
		}
		if end+1 < len(data) {
			return end + 2, data[:end], nil
		}
		if atEOF {
			return end + 1, data[:end], nil
		}
		return 0, nil, nil // what follows CR decides
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (b *ImportBody) readFields(form map[string][]string) error {
	ids := b.in.IDs
	b.in.IDs = nil
	if err := route.DecodeForm(form, &b.in); err != nil {
		return err
	}
	b.in.IDs = append(ids, b.in.IDs...)
	return nil
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
func (b *ImportBody) RequestBody(r huma.Registry) *huma.RequestBody {
	schema := r.Schema(reflect.TypeFor[api.NewDevices](), true, "")
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json":                  {Schema: schema},
		"application/x-www-form-urlencoded": {Schema: schema},
		"multipart/form-data": {Schema: &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{
			"file":   {Type: "string", Format: "binary", Description: "One device id a line"},
			"groups": {Type: "string", Description: "Names separated by commas"},
		}}},
	}}
}

func (a *API) importRoute(path string) route.Route {
	const summary = "Import devices: one, many, or a file; with Accept: application/x-ndjson a line for each, as it is done"
	return route.Post("ImportDevices", path, summary, route.Needs(fleet.ImportDevices), a.importDevices).
		Example(`{"ids":["lamp-7","lamp-8"],"groups":["beta"]}`).
		Responds(func(schemas huma.Registry) map[string]*huma.Response {
			return map[string]*huma.Response{"200": {Description: "The outcome of each", Content: map[string]*huma.MediaType{
				"application/json": {Schema: schemas.Schema(reflect.TypeFor[api.Imported](), true, "")},
				ndjson:             {Schema: schemas.Schema(reflect.TypeFor[api.ImportLine](), true, "")},
			}}}
		})
}

func (a *API) importDevices(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	ParticleImport
	ImportBody
	Accept string `header:"Accept" doc:"application/x-ndjson: answers one line per device, and a progress line per thousand"`
}) (*huma.StreamResponse, error) {
	order := fleet.Import{Product: in.product.ID, IDs: in.in.IDs, Groups: in.in.Groups, Gateway: fleet.DeviceID(in.in.Gateway)}
	if in.in.ID != "" {
		order.IDs = append(order.IDs, in.in.ID)
	}
	if len(order.IDs) == 0 || len(order.IDs) > maxImport {
		return nil, fleet.FieldErrorf("ids", "send 1 to %d device ids: id, ids, or a file with one a line", maxImport)
	}
	if strings.Contains(in.Accept, ndjson) {
		return a.importLines(ctx, who, order)
	}
	done, err := a.Registry.Import(ctx, who, order)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		_ = json.NewEncoder(ctx.BodyWriter()).Encode(shownImport(done)) // the client has gone
	}}, nil
}

func shownImport(done fleet.Imported) api.Imported {
	out := api.Imported{
		Updated: len(done.Updated), New: texts(done.Updated), Existing: texts(done.Existing), Nonmember: texts(done.Nonmember),
		Invalid: list(done.Invalid), Protected: []string{}, Secrets: map[string]string{},
	}
	for id, secret := range done.Secrets {
		out.Secrets[string(id)] = secret
	}
	return out
}

func texts(ids []fleet.DeviceID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}
