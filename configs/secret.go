package configs

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is text that no printing, logging or encoding shows. The zero value means no secret.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String reports only whether there is a secret.
func (s Secret) String() string {
	if s == "" {
		return `""`
	}
	return "(hidden)"
}

// Format makes every verb print String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
