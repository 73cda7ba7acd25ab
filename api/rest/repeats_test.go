package rest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// recorder is a Repeats that remembers the records it was given.
type recorder struct {
	route.Repeats
	mu      sync.Mutex
	records []string // with their ids; guarded by mu
}

// Take implements route.Repeats.
func (r *recorder) Take(ctx context.Context, team fleet.TeamID, id, record string, lifetime time.Duration) (string, error) {
	r.note(id + record)
	return r.Repeats.Take(ctx, team, id, record, lifetime)
}

// Settle implements route.Repeats.
func (r *recorder) Settle(ctx context.Context, team fleet.TeamID, id, record string) error {
	r.note(id + record)
	return r.Repeats.Settle(ctx, team, id, record)
}

func (r *recorder) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, text)
}

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// read decodes a successful answer to a GET into v.
func (w *world) read(path string, v any) {
	w.t.Helper()
	status, body := w.do(http.MethodGet, path, "", "")
	if status != http.StatusOK {
		w.t.Fatalf("%s: got %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		w.t.Fatal(err)
	}
}
