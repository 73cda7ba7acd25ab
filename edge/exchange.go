package edge

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// smallRest is how much of a body that no handler reads net/http skips at once.
const smallRest = 64 << 10

// exchange is one request and its answer. Reading has the server's deadline while there is a
// body to wait for, and none after its end: net/http reads on to notice that the client has
// gone. Every write has a deadline of its own.
type exchange struct {
	http.ResponseWriter
	control *http.ResponseController
	request *http.Request // a copy: net/http drains a body it was not given before it answers
	body    *body
	keep    func() // is called when the request has arrived whole, or may take its time
	began   bool   // the answer has
}

func newExchange(w http.ResponseWriter, r *http.Request, keep func()) *exchange {
	e := &exchange{ResponseWriter: w, control: http.NewResponseController(w), request: r.WithContext(r.Context()), keep: keep}
	e.body = &body{ReadCloser: r.Body, exchange: e, whole: r.ContentLength == 0, long: r.ContentLength < 0 || r.ContentLength > smallRest}
	_ = e.control.SetWriteDeadline(time.Time{}) // of an earlier request; a test's recorder has none, here and below
	if e.body.whole {
		e.keep()
		_ = e.control.SetReadDeadline(time.Time{})
	} else {
		e.request.Body = e.body
	}
	return e
}

// finish sets the deadlines of what is left: the end of the answer, and the rest of a body.
func (e *exchange) finish() {
	now := time.Now()
	_ = e.control.SetWriteDeadline(now.Add(writeTimeout))
	if !e.body.failed { // or its deadline has passed already
		_ = e.control.SetReadDeadline(now.Add(closeTimeout)) // net/http sets that of the next request
	}
}

// Unwrap lets http.ResponseController reach the writer.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// SetReadDeadline is called by handlers that expect a long body, for http.ResponseController.
func (e *exchange) SetReadDeadline(deadline time.Time) error {
	e.keep()
	return e.control.SetReadDeadline(deadline)
}

// WriteHeader implements http.ResponseWriter. An error before the end of a body ends the
// connection: it may take long until the rest has arrived, or for ever.
func (e *exchange) WriteHeader(status int) {
	if status >= http.StatusBadRequest && !e.body.whole && (e.body.long || e.body.failed) {
		e.Header().Set("Connection", "close")
	}
	e.began = e.began || status >= http.StatusOK
	e.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (e *exchange) Write(p []byte) (int, error) {
	if !e.began {
		e.WriteHeader(http.StatusOK)
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return e.ResponseWriter.Write(p)
}

// body is a request's body.
type body struct {
	io.ReadCloser
	exchange *exchange
	long     bool // its length is unknown, or too large to skip
	whole    bool // it has been read to its end
	failed   bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.whole = true
		b.exchange.keep()
		_ = b.exchange.control.SetReadDeadline(time.Time{})
	case err != nil:
		b.failed = true
	}
	return n, err
}
