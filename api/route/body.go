package route

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
)

// Limits of a request body other than a firmware image or an import file, in bytes. Anybody may
// send one to a public operation.
const (
	maxBody       = 1 << 20
	maxPublicBody = 8 << 10
)

// bodyTimeout bounds the time between two parts of a long body. The server bounds that of a small
// one, as a whole.
const bodyTimeout = 30 * time.Second

// steadyBody is a long body that is bounded in bytes, and ends when nothing arrives.
type steadyBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// LongBody bounds a request's body in bytes, and ends it when nothing arrives for bodyTimeout.
func LongBody(r *http.Request, w http.ResponseWriter, limit int64) io.ReadCloser {
	return steadyBody{http.MaxBytesReader(w, r.Body, limit), http.NewResponseController(w)}
}

func (b steadyBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(bodyTimeout)) // test writers have no deadline
	return b.ReadCloser.Read(p)
}

// SmallBody reads all of a body that fits into memory.
func SmallBody(ctx huma.Context) ([]byte, error) {
	limit := int64(maxBody)
	if len(ctx.Operation().Security) == 0 {
		limit = maxPublicBody
	}
	r, w := humago.Unwrap(ctx)
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, BodyError(err)
	}
	return data, nil
}

// contentType returns the content type without parameters, or "" if it is malformed.
func contentType(r *http.Request) string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// IsJSON reports whether a body is JSON, which one without a content type is assumed to be.
func IsJSON(r *http.Request) bool {
	kind := contentType(r)
	return r.Header.Get("Content-Type") == "" || kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// Unsupported is the error of a body whose content type is not known.
func Unsupported(r *http.Request, known string) error {
	return &api.Problem{Code: "unsupported_media_type", Description: fmt.Sprintf("content type %.60q: send %s", r.Header.Get("Content-Type"), known),
		Status: http.StatusUnsupportedMediaType}
}

// BodyError is the error of a body that could not be read.
func BodyError(err error) error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return &api.Problem{
			Code: "too_large", Description: fmt.Sprintf("the body is over its limit of %d bytes", over.Limit), Status: http.StatusRequestEntityTooLarge,
		}
	}
	return Malformed("the body ended early: " + err.Error())
}
