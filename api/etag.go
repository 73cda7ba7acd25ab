package api

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// tagged is an answer with the tag by which a later edit says what it has seen.
type tagged[T any] struct {
	ETag string `header:"ETag" doc:"Send it as If-Match with an edit, which then fails with 412 when someone else came first"`
	Body T
}

func answerTagged[T any](tag string, body T, err error) (*tagged[T], error) {
	if err != nil {
		return nil, err
	}
	return &tagged[T]{ETag: quoted(tag), Body: body}, nil
}

func quoted(tag string) string {
	if tag == "" {
		return ""
	}
	return `"` + tag + `"`
}

// IfMatch is embedded in inputs of edits that may depend on what was seen (RFC 9110 §13.1.1).
type IfMatch struct {
	Match string `header:"If-Match" doc:"ETag of what you have seen: the edit fails with 412 when it is not that any more"`
	seen  string
}

// Resolve reads the tag; huma calls it. A list of tags, which we never give, matches none.
func (m *IfMatch) Resolve(huma.Context) []error {
	if text := strings.TrimSpace(m.Match); text != "*" {
		m.seen = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text, "W/"), `"`), `"`)
	}
	return nil
}
