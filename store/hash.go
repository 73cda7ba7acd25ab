package store

import (
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/record"
)

// hash is the Redis hash of a document being written or read, so that a kind lists its fields
// once for both directions.
type hash struct {
	reading bool
	fields  map[string]string
	err     error
}

// coder turns values of a hash into T and back; record.Codec is one.
type coder[T any] interface {
	Pack(value *T) string
	Unpack(text string, value *T) error
}

// one visits a single field; an empty value is left out.
func one[T any](h *hash, field string, c coder[T], value *T) {
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

// numbered visits the fields that are prefix and a number.
func numbered[K ~uint32, V any](h *hash, prefix string, c coder[V], entries map[K]V) {
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

// named visits the fields that are prefix and a text.
func named[V any](h *hash, prefix string, c coder[V], entries map[string]V) {
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

func (h *hash) fail(err error) {
	if h.err == nil {
		h.err = err
	}
}

// present packs what is only there or not.
type present struct{}

func (present) Pack(*bool) string { return "1" }

func (present) Unpack(_ string, is *bool) error {
	*is = true
	return nil
}

// versionText packs a version as it was written.
type versionText struct{}

func (versionText) Pack(v *fleet.Version) string { return v.String() }

func (versionText) Unpack(text string, v *fleet.Version) error {
	*v = fleet.ReportedVersion(text)
	return nil
}
