package configs

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is text that no printing, logging or encoding shows. The zero value is no secret.
type Secret string

// Reveal is the text itself.
func (s Secret) Reveal() string { return string(s) }

// String tells only whether there is one.
func (s Secret) String() string {
	if s == "" {
		return `""`
	}
	return "(hidden)"
}

// Format makes every verb print what String says.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is what a log line shows.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what JSON and other encodings show.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
