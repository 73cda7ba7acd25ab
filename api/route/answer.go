package route

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Reply is an answer with a body.
type Reply[T any] struct{ Body T }

// None is an answer without a body: 204.
type None struct{}

// Answer returns body as a Reply, unless err is set.
func Answer[T any](body T, err error) (*Reply[T], error) {
	if err != nil {
		return nil, err
	}
	return &Reply[T]{body}, nil
}

// Tagged is an answer with the tag that a later edit can send as If-Match.
type Tagged[T any] struct {
	ETag string `header:"ETag" doc:"Send it as If-Match with an edit, which then fails with 412 if someone else changed it first"`
	Body T
}

// AnswerTagged returns body with its tag, unless err is set.
func AnswerTagged[T any](tag string, body T, err error) (*Tagged[T], error) {
	if err != nil {
		return nil, err
	}
	return &Tagged[T]{ETag: quoted(tag), Body: body}, nil
}

func quoted(tag string) string {
	if tag == "" {
		return ""
	}
	return `"` + tag + `"`
}

// IfMatch is embedded in inputs of edits that may depend on what the client has seen
// (RFC 9110 §13.1.1).
type IfMatch struct {
	Match string `header:"If-Match" doc:"ETag of what you have seen: the edit fails with 412 if it has changed since"`
	Seen  string // the tag; "": any
}

// Resolve sets the tag; huma calls it. A list of tags, which Muster never sends, matches nothing.
func (m *IfMatch) Resolve(huma.Context) []error {
	if text := strings.TrimSpace(m.Match); text != "*" {
		m.Seen = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text, "W/"), `"`), `"`)
	}
	return nil
}

// HTML answers with a page of this binary, which may load nothing except what policy allows.
func HTML(page []byte, policy string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "text/html; charset=utf-8")
		ctx.SetHeader("Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "+policy)
		ctx.SetHeader("X-Content-Type-Options", "nosniff")
		ctx.SetHeader("Referrer-Policy", "no-referrer")
		ctx.SetStatus(http.StatusOK)
		_, _ = ctx.BodyWriter().Write(page) // the client has gone
	}}
}
