package route

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/fleet"
)

// Limits of what is kept for repeated requests.
const (
	maxRepeatBytes = 32 << 10 // of an answer; of longer answers only the fact is kept
	repeatLifetime = 24 * time.Hour
	maxRepeatKey   = 255 // bytes
)

// outcome is what is kept of the first request with a key.
type outcome struct {
	Server string // which server process took it
	Nonce  string // no two outcomes are the same
	Body   []byte // authentication code of the request's body
	Rights []byte // authentication code of what who asked may do
	Done   bool
	Answer []byte // sealed: it may hold secrets; empty where it was too long
}

// answered is an answer as it was sent.
type answered struct {
	Status int
	Header http.Header
	Body   []byte
}

// repeatable replays the answer to an earlier request with the same Idempotency-Key, so that
// a client without an answer can repeat its request, which is carried out once, also across
// a restart of the server. It runs after authenticate.
func (s *service) repeatable(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header("Idempotency-Key")
	if key == "" || strings.HasPrefix(ctx.Header("Content-Type"), "multipart/") {
		next(ctx) // an upload or import can't happen twice: versions and ids are unique
		return
	}
	if len(key) > maxRepeatKey {
		s.refuse(ctx, WrongInput(map[string]string{"Idempotency-Key": "the key has at most 255 bytes"}))
		return
	}
	body, err := SmallBody(ctx)
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	r, w := humago.Unwrap(ctx)
	r = r.WithContext(ctx.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	keys := newRepeatKeys(bearer(r.Header.Get("Authorization")), r.Method+" "+r.URL.RequestURI(), key)
	first, err := s.take(ctx.Context(), keys, body)
	switch {
	case err != nil:
		s.refuse(ctx, err)
	case first != nil:
		first.replay(w)
	default:
		held := &holder{ResponseWriter: w}
		defer s.settle(ctx.Context(), keys, body, held) // also should next panic
		next(humago.NewContext(ctx.Operation(), r, held))
	}
}

// take marks a key as used, or returns the answer to the first request with it.
func (s *service) take(ctx context.Context, keys repeatKeys, body []byte) (*answered, error) {
	who, _ := ctx.Value(actorKey{}).(fleet.Actor)
	mine := outcome{Server: s.process, Nonce: rand.Text(), Body: keys.code(body), Rights: keys.code(rights(who))}
	record, _ := json.Marshal(mine) // always can be
	held, err := s.config.Repeats.Take(ctx, who.Team, keys.id, string(record), repeatLifetime)
	if err != nil || held == string(record) {
		return nil, err
	}
	var first outcome
	if err := json.Unmarshal([]byte(held), &first); err != nil {
		return nil, err
	}
	switch {
	case !bytes.Equal(first.Body, mine.Body):
		return nil, WrongInput(map[string]string{"Idempotency-Key": "this key was used with another body: use a new one for each request"})
	case !bytes.Equal(first.Rights, mine.Rights):
		return nil, fleet.Errorf(fleet.Denied, "your rights have changed since the first request with this key: read what it made instead")
	case !first.Done && (first.Server == s.process || s.config.Alive(first.Server)):
		return nil, fleet.Errorf(fleet.Conflict, "the first request with this key is still in progress: try again")
	case !first.Done:
		return nil, fleet.Errorf(fleet.Conflict,
			"the server stopped during the first request with this key: check whether it was carried out, and use a new key if it was not")
	case len(first.Answer) == 0:
		return nil, fleet.Errorf(fleet.Conflict, "the first request with this key was carried out; its answer was too long to keep: read what it made instead")
	}
	var answer answered
	plain, err := keys.open(first.Answer)
	if err == nil {
		err = json.Unmarshal(plain, &answer)
	}
	return &answer, err
}

// rights are what who may do now. An answer made with other rights is not given again: it may
// show what who can't see any more.
func rights(who fleet.Actor) []byte {
	return fmt.Append(nil, who.Team, who.User, who.Role, slices.Sorted(slices.Values(who.Groups)))
}

// settle keeps the answer to a request that was carried out, then sends it: a repeat may
// arrive as soon as the client has it. A request that failed can be repeated.
func (s *service) settle(ctx context.Context, keys repeatKeys, body []byte, held *holder) {
	var record []byte
	who, _ := ctx.Value(actorKey{}).(fleet.Actor)
	if held.status >= 200 && held.status < 300 {
		done := outcome{Server: s.process, Nonce: rand.Text(), Body: keys.code(body), Rights: keys.code(rights(who)), Done: true}
		if !held.sent {
			plain, _ := json.Marshal(answered{held.status, held.Header().Clone(), held.body.Bytes()}) // always can be
			done.Answer = keys.seal(plain)
		}
		record, _ = json.Marshal(done) // always can be
	}
	if err := s.config.Repeats.Settle(context.WithoutCancel(ctx), who.Team, keys.id, string(record)); err != nil {
		s.config.Log.LogAttrs(ctx, slog.LevelWarn, "answer not kept: its request can't be repeated", slog.Any("err", err))
	}
	held.send()
}

func (a *answered) replay(w http.ResponseWriter) {
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client has gone
}

// holder delays an answer until send, or until it is too long or flushed.
type holder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	sent   bool
}

// Unwrap lets http.ResponseController reach the writer.
func (h *holder) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// WriteHeader notes the status.
func (h *holder) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

// Write delays data, or sends it if the answer is too long.
func (h *holder) Write(data []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	if !h.sent && h.body.Len()+len(data) <= maxRepeatBytes {
		return h.body.Write(data)
	}
	h.send()
	return h.ResponseWriter.Write(data)
}

// FlushError sends what was written so far: a stream is not kept.
func (h *holder) FlushError() error {
	h.WriteHeader(http.StatusOK)
	h.send()
	return http.NewResponseController(h.ResponseWriter).Flush()
}

// send sends the delayed answer, once.
func (h *holder) send() {
	if h.sent || h.status == 0 {
		return
	}
	h.sent = true
	h.ResponseWriter.WriteHeader(h.status)
	_, _ = h.ResponseWriter.Write(h.body.Bytes()) // the client has gone
}
