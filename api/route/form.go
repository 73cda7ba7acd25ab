package route

import (
	"encoding/json"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/muster-iot/muster/api"
)

// DecodeForm reads form into the struct target points to, by way of JSON: a field's type
// determines how its text is read. Lists are a=1&a=2, a[]=1&a[]=2, a[0]=1&a[1]=2; objects a[b]=1.
func DecodeForm(form url.Values, target any) error {
	for name, values := range form { // JSON would replace what is wrong
		if slices.ContainsFunc(values, func(text string) bool { return !utf8.ValidString(text) }) {
			return WrongInput(map[string]string{strings.ToValidUTF8(name, "?"): notUTF8})
		}
	}
	t := reflect.TypeOf(target).Elem()
	object, err := json.Marshal(formObject(form, t))
	if err != nil {
		return Malformed("the form body is not well formed: " + err.Error())
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

// formValue is the JSON value of a form's values for a field of type t.
func formValue(values []string, t reflect.Type) any {
	t = pointee(t)
	if o, ok := reflect.Zero(t).Interface().(interface{ Elem() reflect.Type }); ok {
		if len(values) == 1 && values[0] == "null" {
			return nil
		}
		return formValue(values, o.Elem())
	}
	first := values[0]
	switch {
	case t == reflect.TypeFor[api.Payload]():
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
