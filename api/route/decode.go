package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Input is embedded in an operation's input; it reads T from a JSON or form body. Fields are
// named by their json tags; an unknown field is an error. An empty body is the zero T.
type Input[T any] struct {
	In T
}

// Resolve reads the body; huma calls it after the parameters.
func (b *Input[T]) Resolve(ctx huma.Context) []error {
	if err := ReadBody(ctx, &b.In); err != nil {
		return []error{err}
	}
	return nil
}

// RequestBody describes the body in the document.
func (b *Input[T]) RequestBody(r huma.Registry) *huma.RequestBody {
	schema := r.Schema(reflect.TypeFor[T](), true, "")
	return &huma.RequestBody{Content: map[string]*huma.MediaType{
		"application/json":                  {Schema: schema},
		"application/x-www-form-urlencoded": {Schema: schema},
	}}
}

// ReadBody decodes a JSON or form body into the struct target points to.
func ReadBody(ctx huma.Context, target any) error {
	data, err := SmallBody(ctx)
	if err != nil {
		return err
	}
	r, _ := humago.Unwrap(ctx)
	switch {
	case len(strings.TrimSpace(string(data))) == 0:
		return nil
	case IsJSON(r):
		return decodeJSON(data, target)
	case contentType(r) == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(data))
		if err != nil {
			return Malformed("the form body is not well formed: " + err.Error())
		}
		return DecodeForm(form, target)
	}
	return Unsupported(r, "application/json or application/x-www-form-urlencoded")
}

// decodeJSON reads one JSON object into the struct target points to.
func decodeJSON(data []byte, target any) error {
	if !json.Valid(data) {
		return Malformed("the body is not well-formed JSON")
	}
	faults := map[string]string{}
	DecodeObject(data, reflect.ValueOf(target).Elem(), "", faults)
	if len(faults) > 0 {
		return WrongInput(faults)
	}
	return nil
}

// DecodeObject reads data's fields into v, a struct, and notes what is wrong with each, until
// there are more faults than an answer names.
func DecodeObject(data []byte, v reflect.Value, prefix string, faults map[string]string) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		faults[strings.TrimSuffix(prefix, ".")] = "expected a JSON object"
		return
	}
	known := fieldsOf(v.Type())
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if len(faults) > maxFaults {
			return
		}
		raw := object[name]
		index, ok := known[name]
		if !ok {
			faults[prefix+name] = "unknown field: check its spelling"
			continue
		}
		field := v.FieldByIndex(index)
		if field.Kind() == reflect.Pointer && plainStruct(field.Type().Elem()) && string(raw) != "null" {
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		if plainStruct(field.Type()) {
			DecodeObject(raw, field, prefix+name+".", faults)
		} else if field.Kind() == reflect.Slice && plainStruct(field.Type().Elem()) {
			decodeObjects(raw, field, prefix+name, faults)
		} else if !utf8.Valid(raw) {
			faults[prefix+name] = notUTF8
		} else if err := json.Unmarshal(raw, field.Addr().Interface()); err != nil {
			faults[prefix+name] = fault(err)
		}
	}
}

// decodeObjects reads a list of JSON objects into v, a slice of structs. The fields of the
// first object are named list[0].field.
func decodeObjects(data []byte, v reflect.Value, list string, faults map[string]string) {
	var objects []json.RawMessage
	if err := json.Unmarshal(data, &objects); err != nil {
		faults[list] = "expected a list of JSON objects"
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(objects), len(objects)))
	for i, object := range objects {
		if len(faults) > maxFaults {
			return
		}
		name := fmt.Sprintf("%s[%d]", list, i)
		if string(object) == "null" {
			faults[name] = "expected a JSON object"
			continue
		}
		DecodeObject(object, v.Index(i), name+".", faults)
	}
}

const notUTF8 = "this is not UTF-8"

// fault describes a decoding error for an operator.
func fault(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return "expected a " + words[wrong.Type.Kind()] + ", got a " + wrong.Value
	}
	return err.Error()
}

var words = map[reflect.Kind]string{
	reflect.Bool: "boolean", reflect.String: "string", reflect.Slice: "list", reflect.Struct: "object", reflect.Map: "object",
	reflect.Int: "whole number", reflect.Int64: "whole number", reflect.Uint32: "whole number", reflect.Uint64: "whole number", reflect.Float64: "number",
}

// fieldsOf maps the json names of struct type t, embedded ones included, to field indexes.
func fieldsOf(t reflect.Type) map[string][]int {
	known := make(map[string][]int, t.NumField())
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			known[name] = field.Index
		}
	}
	return known
}

func pointee(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// plainStruct reports whether t is a struct that is read field by field.
func plainStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(unmarshaler)
}
