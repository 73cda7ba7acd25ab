package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Input is embedded in an operation's input: its T is read from a JSON or a form body.
// Fields are named by their json tags; one that T doesn't have is an error that names it.
// An empty body is the zero T.
type Input[T any] struct {
	In T
}

// Resolve reads the body; huma calls it after the parameters.
func (b *Input[T]) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	if err := readBody(r, w, &b.In); err != nil {
		return []error{err}
	}
	return nil
}

func (b *Input[T]) requestBody(r huma.Registry) *huma.RequestBody {
	schema := r.Schema(typeOf[T](), true, "")
	return &huma.RequestBody{Content: map[string]*huma.MediaType{
		"application/json":                  {Schema: schema},
		"application/x-www-form-urlencoded": {Schema: schema},
	}}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// readBody decodes a JSON or form body into the struct target points to.
func readBody(r *http.Request, w http.ResponseWriter, target any) error {
	data, err := smallBody(r, w)
	if err != nil {
		return err
	}
	switch {
	case len(strings.TrimSpace(string(data))) == 0:
		return nil
	case isJSON(r):
		return decodeJSON(data, target)
	case contentType(r) == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(data))
		if err != nil {
			return malformed("the form body is not well formed: " + err.Error())
		}
		return decodeForm(form, target)
	}
	return unsupported(r, "application/json or application/x-www-form-urlencoded")
}

// decodeJSON reads one JSON object into the struct target points to.
func decodeJSON(data []byte, target any) error {
	if !json.Valid(data) {
		return malformed("the body is not well-formed JSON")
	}
	faults := map[string]string{}
	decodeObject(data, reflect.ValueOf(target).Elem(), "", faults)
	if len(faults) > 0 {
		return wrongInput(faults)
	}
	return nil
}

// decodeObject reads data's fields into v, a struct, and notes what is wrong with each.
func decodeObject(data []byte, v reflect.Value, prefix string, faults map[string]string) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		faults[strings.TrimSuffix(prefix, ".")] = "expected a JSON object"
		return
	}
	known := fieldsOf(v.Type())
	for name, raw := range object {
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
			decodeObject(raw, field, prefix+name+".", faults)
		} else if !utf8.Valid(raw) {
			faults[prefix+name] = notUTF8
		} else if err := json.Unmarshal(raw, field.Addr().Interface()); err != nil {
			faults[prefix+name] = fault(err)
		}
	}
}

const notUTF8 = "this is not UTF-8"

// fault is a decoding error in words for an operator.
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

// decodeForm reads form into the struct target points to, by way of JSON: a field's type
// says how its text is meant. Lists are a=1&a=2, a[]=1&a[]=2, a[0]=1&a[1]=2; objects a[b]=1.
func decodeForm(form url.Values, target any) error {
	for name, values := range form { // JSON would replace what is wrong
		if slices.ContainsFunc(values, func(text string) bool { return !utf8.ValidString(text) }) {
			return wrongInput(map[string]string{strings.ToValidUTF8(name, "?"): notUTF8})
		}
	}
	t := reflect.TypeOf(target).Elem()
	object, err := json.Marshal(formObject(form, t))
	if err != nil {
		return malformed("the form body is not well formed: " + err.Error())
	}
	return decodeJSON(object, target)
}

// subKey is a key such as groups[], groups[0] or metadata[add][].
var subKey = regexp.MustCompile(`^([^\[\]]+)\[([^\[\]]*)\](.*)$`)

func formObject(form url.Values, t reflect.Type) map[string]any {
	known := fieldsOf(t)
	lists, inner, object := url.Values{}, map[string]url.Values{}, map[string]any{}
	for key, values := range form {
		parts := subKey.FindStringSubmatch(key)
		switch {
		case parts == nil:
			lists[key] = append(lists[key], values...)
		case strings.Trim(parts[2], "0123456789") == "":
			lists[parts[1]] = append(lists[parts[1]], values...)
		default:
			if inner[parts[1]] == nil {
				inner[parts[1]] = url.Values{}
			}
			inner[parts[1]][parts[2]+parts[3]] = values
		}
	}
	for name, values := range lists {
		if index, ok := known[name]; ok {
			object[name] = formValue(values, t.FieldByIndex(index).Type)
		} else {
			object[name] = values[0]
		}
	}
	for name, values := range inner {
		if index, ok := known[name]; ok && plainStruct(pointee(t.FieldByIndex(index).Type)) {
			object[name] = formObject(values, pointee(t.FieldByIndex(index).Type))
		} else {
			object[name] = map[string]string{}
		}
	}
	return object
}

// formValue is the JSON value that values mean for a field of type t.
func formValue(values []string, t reflect.Type) any {
	t = pointee(t)
	if o, ok := reflect.Zero(t).Interface().(interface{ elem() reflect.Type }); ok {
		if len(values) == 1 && values[0] == "null" {
			return nil
		}
		return formValue(values, o.elem())
	}
	first := values[0]
	switch {
	case t == reflect.TypeFor[Payload]():
		if json.Valid([]byte(first)) {
			return json.RawMessage(first)
		}
		return first
	case t.Kind() == reflect.Slice:
		return values
	case t.Kind() == reflect.Bool && (first == "1" || first == "true"):
		return true
	case t.Kind() == reflect.Bool && (first == "0" || first == "false"):
		return false
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 && json.Valid([]byte(first)):
		return json.RawMessage(first)
	}
	return first
}

func (o Optional[T]) elem() reflect.Type { return typeOf[T]() }
