package api

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Optional is a field of an update, which may be absent, null or a value.
type Optional[T any] struct {
	Set   bool // present, possibly as null
	Null  bool
	Value T
}

// Some returns a field with a value.
func Some[T any](v T) Optional[T] { return Optional[T]{Set: true, Value: v} }

// Null returns a field that is null.
func Null[T any]() Optional[T] { return Optional[T]{Set: true, Null: true} }

// IsZero reports whether the field is absent; encoding/json's omitzero asks.
func (o Optional[T]) IsZero() bool { return !o.Set }

// MarshalJSON writes null or the value; omitzero leaves absent fields out.
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

// Schema describes the value or null.
func (o Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// Pointer returns nil when the field is absent, else its value, which is zero for null.
func (o Optional[T]) Pointer() *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}

// Elem returns the type of the value.
func (Optional[T]) Elem() reflect.Type { return reflect.TypeFor[T]() }

// Ignored is a field that other clouds' clients send and Muster ignores.
type Ignored struct{}

// UnmarshalJSON accepts anything.
func (*Ignored) UnmarshalJSON([]byte) error { return nil }

// Schema describes any value.
func (Ignored) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "Accepted for other clouds' clients and ignored"}
}
