package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// maxBody bounds a request body other than a firmware image or an import file, in bytes.
const maxBody = 1 << 20

// bodyTimeout bounds the time a small body takes, and the time in which nothing comes of
// a long one.
const bodyTimeout = 30 * time.Second

// deadline sets until when w's request body may be read; the zero time ends the limit.
func deadline(w http.ResponseWriter, t time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(t) // a writer that can't is a test's
}

// steadyBody is a long body: it is bounded in bytes, and ends when nothing comes.
type steadyBody struct {
	io.ReadCloser
	writer http.ResponseWriter
}

func longBody(r *http.Request, w http.ResponseWriter, limit int64) io.ReadCloser {
	return steadyBody{http.MaxBytesReader(w, r.Body, limit), w}
}

func (b steadyBody) Read(p []byte) (int, error) {
	deadline(b.writer, time.Now().Add(bodyTimeout))
	defer deadline(b.writer, time.Time{})
	return b.ReadCloser.Read(p)
}

// smallBody is all of a body that fits into memory.
func smallBody(r *http.Request, w http.ResponseWriter) ([]byte, error) {
	deadline(w, time.Now().Add(bodyTimeout))
	defer deadline(w, time.Time{}) // or it would end the answer
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, bodyError(err)
	}
	return data, nil
}

// contentType is without its parameters; "" where it is not well formed.
func contentType(r *http.Request) string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// isJSON takes a body that says nothing of its type for JSON.
func isJSON(r *http.Request) bool {
	kind := contentType(r)
	return r.Header.Get("Content-Type") == "" || kind == "application/json" || strings.HasSuffix(kind, "+json")
}

func unsupported(r *http.Request, known string) error {
	return &Problem{Code: "unsupported_media_type", Description: fmt.Sprintf("content type %.60q: send %s", r.Header.Get("Content-Type"), known),
		status: http.StatusUnsupportedMediaType}
}

func bodyError(err error) error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return &Problem{Code: "too_large", Description: fmt.Sprintf("the body is over its limit of %d bytes", over.Limit), status: http.StatusRequestEntityTooLarge}
	}
	return malformed("the body ended early: " + err.Error())
}
