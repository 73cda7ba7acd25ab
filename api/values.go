package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// Version is a firmware version in JSON: a number when it is a whole number, else a
// string; both are read. The zero Version is null.
type Version struct{ fleet.Version }

// MarshalJSON writes 7, "1.4.0" or null.
func (v Version) MarshalJSON() ([]byte, error) {
	if v.IsZero() {
		return []byte("null"), nil
	}
	if n, ok := v.Whole(); ok {
		return fmt.Appendf(nil, "%d", n), nil
	}
	return json.Marshal(v.String())
}

// UnmarshalJSON reads what MarshalJSON writes, and a whole number as a string. Errors
// are fleet.Invalid.
func (v *Version) UnmarshalJSON(data []byte) error {
	text, err := versionText(data)
	if err != nil || text == "" {
		v.Version = fleet.Version{}
		return err
	}
	v.Version, err = fleet.ParseVersion(text)
	return err
}

// Schema says number or string.
func (Version) Schema(huma.Registry) *huma.Schema { return versionSchema() }

// Reported is a version a device says it runs; a text that is no version is kept.
type Reported struct{ fleet.Version }

// MarshalJSON writes 7, "1.4.0" or null.
func (v Reported) MarshalJSON() ([]byte, error) { return Version(v).MarshalJSON() }

// UnmarshalJSON reads any text.
func (v *Reported) UnmarshalJSON(data []byte) error {
	text, err := versionText(data)
	v.Version = fleet.Version{}
	if err == nil && text != "" {
		v.Version = fleet.ReportedVersion(text)
	}
	return err
}

// Schema says number or string.
func (Reported) Schema(huma.Registry) *huma.Schema { return versionSchema() }

func versionSchema() *huma.Schema {
	return &huma.Schema{
		Description: "A whole number, or a semantic version as a string; null: none",
		OneOf:       []*huma.Schema{{Type: "integer"}, {Type: "string"}, {Type: "null"}},
		Examples:    []any{7, "1.4.0-rc.1"},
	}
}

// versionText is the text of a JSON number or string, "" for null.
func versionText(data []byte) (string, error) {
	data = bytes.TrimSpace(data)
	if bytes.Equal(data, []byte("null")) {
		return "", nil
	}
	if len(data) > 0 && data[0] != '"' {
		var number json.Number
		if err := json.Unmarshal(data, &number); err != nil {
			return "", fleet.Errorf(fleet.Invalid, "a version is a whole number or a string such as \"1.4.0\"")
		}
		return number.String(), nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return "", fleet.Errorf(fleet.Invalid, "a version is a whole number or a string such as \"1.4.0\"")
	}
	if text == "" {
		return "", fleet.Errorf(fleet.Invalid, "a version is not empty: send null for none")
	}
	return text, nil
}

// Optional is a field of an update: absent, null or a value, three different things.
type Optional[T any] struct {
	Set   bool // it was there, perhaps as null
	Null  bool
	Value T
}

// Some is a field that is there.
func Some[T any](v T) Optional[T] { return Optional[T]{Set: true, Value: v} }

// Null is a field that is there as null.
func Null[T any]() Optional[T] { return Optional[T]{Set: true, Null: true} }

// IsZero reports whether the field is absent; encoding/json's omitzero asks.
func (o Optional[T]) IsZero() bool { return !o.Set }

// MarshalJSON writes null or the value; absence is the business of omitzero.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if o.Null {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// UnmarshalJSON reads null or a value.
func (o *Optional[T]) UnmarshalJSON(data []byte) error {
	*o = Optional[T]{Set: true}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		o.Null = true
		return nil
	}
	return json.Unmarshal(data, &o.Value)
}

// Schema is the value's, or null.
func (o Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(typeOf[T](), true, ""), {Type: "null"}}}
}

// orZero is nil when the field is absent, else its value; null is the zero value.
func (o Optional[T]) orZero() *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}

// maxNames bounds the group names of one request.
const maxNames = 1000

// Names is a list of group names: a JSON array, or a text of names between commas.
type Names []string

// bounded refuses more than maxNames.
func (n Names) bounded() error {
	if len(n) > maxNames {
		return fleet.Errorf(fleet.Invalid, "%d names: send at most %d", len(n), maxNames)
	}
	return nil
}

// UnmarshalJSON reads ["a","b"] or "a,b". Errors are fleet.Invalid.
func (n *Names) UnmarshalJSON(data []byte) error {
	var list []string
	if json.Unmarshal(data, &list) == nil {
		*n = splitNames(list...)
		return n.bounded()
	}
	var text string
	if json.Unmarshal(data, &text) != nil {
		return fleet.Errorf(fleet.Invalid, "expected a list of names such as [\"beta\",\"eu\"]")
	}
	*n = splitNames(text)
	return n.bounded()
}

// Schema is a list of strings.
func (Names) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "array", Items: &huma.Schema{Type: "string"}, Examples: []any{[]string{"beta", "eu"}}}
}

// splitNames cuts texts at commas and drops empty parts; it is never nil.
func splitNames(texts ...string) Names {
	names := Names{}
	for _, text := range texts {
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// Payload is the bytes of a message: JSON as it is, anything else as {"base64": "..."}.
type Payload []byte

// MarshalJSON writes JSON as it is and other bytes as base64. JSON that would be read
// as base64 goes out as base64 as well.
func (p Payload) MarshalJSON() ([]byte, error) {
	if _, wrapped := unwrapBase64(p); json.Valid(p) && !wrapped {
		return p, nil
	}
	return json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(p)})
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (p *Payload) UnmarshalJSON(data []byte) error {
	if raw, wrapped := unwrapBase64(data); wrapped {
		*p = raw
		return nil
	}
	*p = slices.Clone(data)
	return nil
}

// Schema is anything.
func (Payload) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "Any JSON; bytes that are not JSON as {\"base64\": \"...\"}"}
}

func unwrapBase64(data []byte) ([]byte, bool) {
	var object map[string]json.RawMessage
	var text string
	if json.Unmarshal(data, &object) != nil || len(object) != 1 || json.Unmarshal(object["base64"], &text) != nil {
		return nil, false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	return raw, err == nil
}

// ignored is a field other clouds' clients send that means nothing here.
type ignored struct{}

func (*ignored) UnmarshalJSON([]byte) error { return nil }

// Schema is anything.
func (ignored) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "Accepted for other clouds' clients and ignored"}
}

// moment is t in UTC, nil when it never was.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// sentence is "field: text" for each field, in order.
func sentence(fields map[string]string) string {
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if strings.HasPrefix(fields[field], field) {
			parts = append(parts, fields[field])
		} else {
			parts = append(parts, field+": "+fields[field])
		}
	}
	return strings.Join(parts, "; ")
}
