package route

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

//go:embed pages/reference.html
var referenceHTML string

// The page's view of the OpenAPI document.
type (
	referencePage struct {
		Version string
		Tags    []referenceTag
		Errors  []referenceError
	}
	referenceTag struct {
		Name       string
		Operations []referenceOperation
	}
	referenceOperation struct {
		ID, Method, Path, Summary, Example, Access string
		Parameters                                 []referenceField
		Body, Answer                               []referenceField
		Errors                                     []string
	}
	referenceField struct {
		Name, In, Type, Doc string
		Required            bool
	}
	referenceError struct {
		Status    int
		Code, Why string
	}
)

// reference is the OpenAPI document as a page for people. It is rendered at the first
// request, loads nothing, and runs no script.
func (s *service) reference() Table {
	page := sync.OnceValues(func() ([]byte, error) {
		var out bytes.Buffer
		err := template.Must(template.New("reference").Parse(referenceHTML)).Execute(&out, s.referencePage())
		return out.Bytes(), err
	})
	show := func(context.Context, fleet.Actor, *struct{}) (*huma.StreamResponse, error) {
		html, err := page()
		if err != nil {
			return nil, err
		}
		return HTML(html, ""), nil
	}
	return Table{Tag: "system", Routes: []Route{
		Get("Reference", "/v1/docs", "This document as a page", Public, show),
	}}
}

func (s *service) referencePage() referencePage {
	page := referencePage{Version: s.config.Version}
	at := map[string]int{}
	for _, r := range s.routes {
		i, ok := at[r.tag]
		if !ok {
			i = len(page.Tags)
			at[r.tag] = i
			page.Tags = append(page.Tags, referenceTag{Name: r.tag})
		}
		page.Tags[i].Operations = append(page.Tags[i].Operations, s.referenceOperation(r))
	}
	for _, row := range api.Statuses {
		page.Errors = append(page.Errors, referenceError{row.Status, row.Code, string(row.Kind)})
	}
	return page
}

func (s *service) referenceOperation(r Route) referenceOperation {
	op := s.operation(r)
	out := referenceOperation{ID: r.ID, Method: r.Method, Path: r.Path, Summary: r.Summary, Access: "token"}
	if r.Access.public {
		out.Access = "no token"
	}
	for _, p := range op.Parameters {
		out.Parameters = append(out.Parameters, referenceField{
			Name: p.Name, In: p.In, Type: typeName(p.Schema), Doc: docOf(p.Schema, p.Description), Required: p.Required,
		})
	}
	if op.RequestBody != nil {
		if kind := op.RequestBody.Content["application/json"]; kind != nil {
			out.Body = s.fields(kind.Schema)
		} else if kind := op.RequestBody.Content["multipart/form-data"]; kind != nil {
			out.Body = s.fields(kind.Schema)
		}
	}
	if r.example != "" {
		var indented bytes.Buffer
		if json.Indent(&indented, []byte(r.example), "", "  ") == nil {
			out.Example = indented.String()
		}
	}
	for status, response := range op.Responses {
		code, err := strconv.Atoi(status)
		if err != nil {
			continue
		}
		if code >= http.StatusBadRequest {
			out.Errors = append(out.Errors, status)
		} else if kind := response.Content["application/json"]; kind != nil {
			out.Answer = s.fields(kind.Schema)
		}
	}
	slices.Sort(out.Errors)
	return out
}

// fields are the properties of an object, by name.
func (s *service) fields(schema *huma.Schema) []referenceField {
	if schema != nil && schema.Ref != "" {
		schema = s.huma.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	if schema == nil {
		return nil
	}
	var fields []referenceField
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		p := schema.Properties[name]
		fields = append(fields, referenceField{Name: name, Type: typeName(p), Doc: docOf(p, "")})
	}
	return fields
}

// typeName is a schema's type in a word or two.
func typeName(schema *huma.Schema) string {
	switch {
	case schema == nil:
		return ""
	case schema.Ref != "":
		return schema.Ref[strings.LastIndexByte(schema.Ref, '/')+1:]
	case len(schema.Enum) > 0:
		words := make([]string, 0, len(schema.Enum))
		for _, word := range schema.Enum {
			if text, ok := word.(string); ok {
				words = append(words, text)
			}
		}
		return strings.Join(words, " | ")
	case schema.Type == "array":
		return "list of " + typeName(schema.Items)
	case len(schema.OneOf) > 0:
		return alternatives(schema.OneOf)
	case len(schema.AnyOf) > 0:
		return alternatives(schema.AnyOf)
	case schema.Type == "":
		return "any"
	}
	return schema.Type
}

func alternatives(schemas []*huma.Schema) string {
	words := make([]string, 0, len(schemas))
	for _, schema := range schemas {
		words = append(words, typeName(schema))
	}
	return strings.Join(words, " | ")
}

func docOf(schema *huma.Schema, text string) string {
	if text == "" && schema != nil {
		text = schema.Description
	}
	return text
}
