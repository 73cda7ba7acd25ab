package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/fleet"
)

// Limits of one import.
const (
	maxImportBytes = 8 << 20
	maxImport      = 100_000 // devices
)

// NewDevices asks for devices to be imported.
type NewDevices struct {
	ID         string   `json:"id,omitempty" doc:"One device"`
	IDs        []string `json:"ids,omitempty" doc:"Several"`
	Groups     Names    `json:"groups,omitempty" doc:"Their groups, by name; a missing one is created"`
	Gateway    string   `json:"gateway,omitempty" doc:"They are BLE devices attached to this gateway"`
	ClaimUser  ignored  `json:"claim_user,omitzero"`
	ImportSIMs ignored  `json:"import_sims,omitzero"`
}

// Imported is what became of each id, in Particle's shape, with the secrets.
type Imported struct {
	Updated   int               `json:"updated"`
	New       []string          `json:"updatedDeviceIds" doc:"Now in the product"`
	Existing  []string          `json:"existingDeviceIds" doc:"Were in it before"`
	Nonmember []string          `json:"nonmemberDeviceIds" doc:"Belong to another product or team"`
	Invalid   []string          `json:"invalidDeviceIds" doc:"Can't be a device id"`
	Protected []string          `json:"protectedDeviceIds"`
	Secrets   map[string]string `json:"secrets" doc:"Device id to secret, of the new ones: shown this once"`
}

// ImportBody reads NewDevices from JSON, a form, or a multipart body whose file holds
// one id a line.
type ImportBody struct{ in NewDevices }

// Resolve reads the body; huma calls it.
func (b *ImportBody) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		if err := readBody(r, w, &b.in); err != nil {
			return []error{err}
		}
		return nil
	}
	r.Body = longBody(r, w, maxImportBytes)
	parts, err := r.MultipartReader()
	if err != nil {
		return []error{malformed("the multipart body is not well formed: " + err.Error())}
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
			return bodyError(err)
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

func (b *ImportBody) readLines(file io.Reader) error {
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if id := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")); id != "" {
			b.in.IDs = append(b.in.IDs, id)
		}
	}
	if err := lines.Err(); err != nil {
		return bodyError(err)
	}
	return nil
}

func (b *ImportBody) readFields(form map[string][]string) error {
	ids := b.in.IDs
	b.in.IDs = nil
	if err := decodeForm(form, &b.in); err != nil {
		return err
	}
	b.in.IDs = append(ids, b.in.IDs...)
	return nil
}

// readField reads a small text part into form.
func readField(form map[string][]string, part *multipart.Part) error {
	text, err := io.ReadAll(io.LimitReader(part, maxFieldBytes+1))
	if err != nil {
		return bodyError(err)
	}
	if len(text) > maxFieldBytes {
		return fleet.FieldErrorf(part.FormName(), "longer than %d bytes", maxFieldBytes)
	}
	form[part.FormName()] = append(form[part.FormName()], string(text))
	return nil
}

func (b *ImportBody) requestBody(r huma.Registry) *huma.RequestBody {
	schema := r.Schema(typeOf[NewDevices](), true, "")
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json":                  {Schema: schema},
		"application/x-www-form-urlencoded": {Schema: schema},
		"multipart/form-data": {Schema: &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{
			"file":   {Type: "string", Format: "binary", Description: "One device id a line"},
			"groups": {Type: "string", Description: "Names between commas"},
		}}},
	}}
}

func (s *server) imports() {
	r := route{id: "ImportDevices", method: http.MethodPost, path: "/v1/products/{product}/devices", summary: "Import devices: one, many, or a file; with Accept: application/x-ndjson a line for each, as it is done", tag: "devices", access: needs(fleet.ImportDevices),
		example: `{"ids":["lamp-7","lamp-8"],"groups":["beta"]}`}
	add(s, r, s.importDevices)
	schemas := s.huma.OpenAPI().Components.Schemas
	s.operation(r).Responses["200"] = &huma.Response{Description: "What became of each", Content: map[string]*huma.MediaType{
		"application/json": {Schema: schemas.Schema(typeOf[Imported](), true, "")},
		ndjson:             {Schema: schemas.Schema(typeOf[ImportLine](), true, "")},
	}}
}

func (s *server) importDevices(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	ParticleImport
	ImportBody
	Accept string `header:"Accept" doc:"application/x-ndjson: a line for each device, and one for every thousand"`
}) (*huma.StreamResponse, error) {
	product, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return nil, err
	}
	order := fleet.Import{Product: product.ID, IDs: in.in.IDs, Groups: in.in.Groups, Gateway: fleet.DeviceID(in.in.Gateway)}
	if in.in.ID != "" {
		order.IDs = append(order.IDs, in.in.ID)
	}
	if len(order.IDs) == 0 || len(order.IDs) > maxImport {
		return nil, fleet.FieldErrorf("ids", "send 1 to %d device ids: id, ids, or a file with one a line", maxImport)
	}
	if strings.Contains(in.Accept, ndjson) {
		return s.importLines(ctx, who, order)
	}
	done, err := s.Import(ctx, who, order)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		_ = json.NewEncoder(ctx.BodyWriter()).Encode(shownImport(done)) // the client is gone: nobody to tell
	}}, nil
}

func shownImport(done fleet.Imported) Imported {
	out := Imported{
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
