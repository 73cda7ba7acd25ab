package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Limits of what is kept for repeated requests. An answer that is too long, or was made
// room for, is not kept: the request would be carried out again.
const (
	maxRepeats     = 2000
	maxRepeatBytes = 32 << 10 // of an answer
	repeatLifetime = time.Hour
	maxRepeatKey   = 255 // bytes
)

// repeats keeps answers of POST requests by their Idempotency-Key, so that a client that
// got none may ask again without doing twice what it asked for. It is in memory: a restart
// of the server forgets.
type repeats struct {
	mu    sync.Mutex
	kept  map[repeat]*outcome // guarded by mu
	order []repeat            // oldest first; guarded by mu
}

// repeat is a key with whose it is and what for.
type repeat struct {
	token  [32]byte // the hash of the Authorization header
	method string
	path   string
	key    string
}

// outcome is the answer to the first request of a key.
type outcome struct {
	body   [32]byte // the hash of the request's
	at     time.Time
	done   bool
	status int
	header http.Header
	answer []byte
}

func newRepeats() *repeats { return &repeats{kept: make(map[repeat]*outcome)} }

// guard answers requests that repeat one from what is kept, and passes on all others.
func (c *repeats) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		multipart := strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/")
		if key == "" || r.Method != http.MethodPost || r.Header.Get("Authorization") == "" || multipart {
			next.ServeHTTP(w, r) // an upload or import can't happen twice: versions and ids are unique
			return
		}
		if len(key) > maxRepeatKey {
			writeProblem(w, wrongInput(map[string]string{"Idempotency-Key": "the key has at most 255 bytes"}))
			return
		}
		deadline(w, time.Now().Add(bodyTimeout))
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		deadline(w, time.Time{})
		if err != nil {
			writeProblem(w, problem(bodyError(err)))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		id := repeat{sha256.Sum256([]byte(r.Header.Get("Authorization"))), r.Method, r.URL.RequestURI(), key}
		first, p := c.begin(id, sha256.Sum256(body))
		switch {
		case p != nil:
			writeProblem(w, p)
		case first != nil:
			first.write(w)
		default:
			copied := &copier{ResponseWriter: w} // without a status, should next panic
			defer func() { c.end(id, copied) }()
			next.ServeHTTP(copied, r)
		}
	})
}

// begin takes a key, or returns what the first request of it came to.
func (c *repeats) begin(id repeat, body [32]byte) (*outcome, *Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if known := c.kept[id]; known != nil && now.Sub(known.at) < repeatLifetime {
		switch {
		case known.body != body:
			return nil, wrongInput(map[string]string{"Idempotency-Key": "this key was used with another body: use a new one for each request"})
		case !known.done:
			return nil, &Problem{Code: "conflict", Description: "the first request with this key is under way: try again", status: http.StatusConflict}
		}
		return known, nil
	}
	if c.kept[id] == nil {
		c.order = append(c.order, id)
	}
	c.kept[id] = &outcome{body: body, at: now}
	for len(c.order) > maxRepeats {
		delete(c.kept, c.order[0])
		c.order = c.order[1:]
	}
	return nil, nil
}

// end keeps a success; anything else may be tried again.
func (c *repeats) end(id repeat, answer *copier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.kept[id]
	if known == nil {
		return
	}
	if answer.status < 200 || answer.status >= 300 || answer.tooLong {
		known.at = time.Time{} // forgotten; its place in order stays until then
		return
	}
	known.done, known.status, known.header, known.answer = true, answer.status, answer.Header().Clone(), answer.body.Bytes()
}

func (o *outcome) write(w http.ResponseWriter) {
	for name, values := range o.header {
		w.Header()[name] = values
	}
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(o.status)
	_, _ = w.Write(o.answer) // the client is gone: nobody to tell
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone: nobody to tell
}

// copier keeps a copy of an answer as it goes out.
type copier struct {
	http.ResponseWriter
	status  int
	body    bytes.Buffer
	tooLong bool
}

// Unwrap lets http.ResponseController reach the writer.
func (c *copier) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *copier) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *copier) Write(data []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if c.body.Len()+len(data) > maxRepeatBytes {
		c.tooLong = true
	} else if !c.tooLong {
		c.body.Write(data)
	}
	return c.ResponseWriter.Write(data)
}
