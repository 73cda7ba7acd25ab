package document

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/record"
)

// Hash is the Redis hash of a document being written or read, so that a Kind lists its fields
// once for both directions.
type Hash struct {
	reading bool
	fields  map[string]string
	err     error
}

// Coder turns values of type T into the text of a field and back; record.Codec is one.
type Coder[T any] interface {
	Pack(value *T) string
	Unpack(text string, value *T) error
}

// One visits a single field. It is left out if its text is empty.
func One[T any](h *Hash, field string, c Coder[T], value *T) {
	if !h.reading {
		if text := c.Pack(value); text != "" {
			h.fields[field] = text
		}
		return
	}
	if text, ok := h.fields[field]; ok {
		h.fail(c.Unpack(text, value))
	}
}

// Numbered visits the fields whose names are prefix and a number.
func Numbered[K ~uint32, V any](h *Hash, prefix string, c Coder[V], entries map[K]V) {
	if !h.reading {
		for key, value := range entries {
			h.fields[prefix+strconv.FormatUint(uint64(key), 10)] = c.Pack(&value)
		}
		return
	}
	for field, text := range h.fields {
		name, ok := strings.CutPrefix(field, prefix)
		if !ok {
			continue
		}
		key, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			h.fail(record.ErrBroken)
		}
		var value V
		h.fail(c.Unpack(text, &value))
		entries[K(key)] = value
	}
}

// Named visits the fields whose names are prefix and a text.
func Named[V any](h *Hash, prefix string, c Coder[V], entries map[string]V) {
	if !h.reading {
		for key, value := range entries {
			h.fields[prefix+key] = c.Pack(&value)
		}
		return
	}
	for field, text := range h.fields {
		if key, ok := strings.CutPrefix(field, prefix); ok {
			var value V
			h.fail(c.Unpack(text, &value))
			entries[key] = value
		}
	}
}

func (h *Hash) fail(err error) {
	if h.err == nil {
		h.err = err
	}
}

// JSON is the Coder of values that are stored as JSON and can always be encoded.
type JSON[T any] struct{}

// Pack implements Coder.
func (JSON[T]) Pack(value *T) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Unpack implements Coder.
func (JSON[T]) Unpack(text string, value *T) error { return json.Unmarshal([]byte(text), value) }

// Present is the Coder of an entry that has no value.
type Present struct{}

// Pack implements Coder.
func (Present) Pack(*bool) string { return "1" }

// Unpack implements Coder.
func (Present) Unpack(_ string, is *bool) error {
	*is = true
	return nil
}

// VersionText is the Coder of a version, as it was written.
type VersionText struct{}

// Pack implements Coder.
func (VersionText) Pack(v *fleet.Version) string { return v.String() }

// Unpack implements Coder.
func (VersionText) Unpack(text string, v *fleet.Version) error {
	*v = fleet.ReportedVersion(text)
	return nil
}
