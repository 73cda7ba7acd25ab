package api

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// keyed sends a POST with an Idempotency-Key.
func keyed(t *testing.T, handler http.Handler, token, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/x", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Idempotency-Key", key)
	w := newRecorder()
	handler.ServeHTTP(w, r)
	return w.status, w.body.String()
}

type recorded struct {
	header http.Header
	status int
	body   strings.Builder
}

func newRecorder() *recorded                       { return &recorded{header: http.Header{}, status: http.StatusOK} }
func (r *recorded) Header() http.Header            { return r.header }
func (r *recorded) WriteHeader(status int)         { r.status = status }
func (r *recorded) Write(data []byte) (int, error) { return r.body.Write(data) }

func TestARepeatedPostIsCarriedOutOnce(t *testing.T) {
	var calls atomic.Int32
	refuse := false
	handler := newRepeats().guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "did "+string(body))
	}))
	for range 3 {
		if status, body := keyed(t, handler, "a", "k", "one"); status != http.StatusAccepted || body != "did one" {
			t.Errorf("got %d %s", status, body)
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("carried out %d times, want once", n)
	}
	if status, body := keyed(t, handler, "a", "k", "two"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "Idempotency-Key") {
		t.Errorf("the key with another body: got %d %s", status, body)
	}
	if _, body := keyed(t, handler, "b", "k", "two"); body != "did two" || calls.Load() != 2 {
		t.Errorf("another's key is another key: got %s", body)
	}
	refuse = true
	keyed(t, handler, "a", "failed", "x")
	refuse = false
	if status, _ := keyed(t, handler, "a", "failed", "x"); status != http.StatusAccepted {
		t.Errorf("what failed may be tried again: got %d", status)
	}
	if status, _ := keyed(t, handler, "a", strings.Repeat("k", 300), "x"); status != http.StatusUnprocessableEntity {
		t.Errorf("a long key: got %d", status)
	}
}

func TestWhatIsKeptForRepeatsIsBounded(t *testing.T) {
	c := newRepeats()
	for i := range 2 * maxRepeats {
		c.begin(repeat{key: decimal(uint64(i))}, [32]byte{})
	}
	if len(c.kept) > maxRepeats || len(c.order) > maxRepeats {
		t.Errorf("%d outcomes are kept, %d in order", len(c.kept), len(c.order))
	}
}

func TestAnEditSaysWhatItHasSeen(t *testing.T) {
	s := newServe(t)
	s.registry.view.Tag = "abc"
	send := func(path, match, body string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+testToken)
		r.Header.Set("If-Match", match)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer
	}
	for match, want := range map[string]string{`"abc"`: "abc", `W/"abc"`: "abc", "*": "", "": ""} {
		answer := send("/v1/devices/lamp-7", match, `{"name":"x"}`)
		if got := s.registry.edit.If; got != want || answer.Header.Get("ETag") != `"abc"` {
			t.Errorf("If-Match %s: got %q, want %q; ETag %s", match, got, want, answer.Header.Get("ETag"))
		}
	}
	send("/v1/products/42/firmware/release", `"seen"`, `{"version":7}`)
	if got := s.ota.order.If; got != "seen" {
		t.Errorf("a release: got %q", got)
	}
	s.registry.fails = &fleet.Error{Kind: fleet.Conflict, Code: fleet.CodeChanged, Text: "look again"}
	if answer := send("/v1/devices/lamp-7", `"old"`, `{"name":"x"}`); answer.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("someone came first: got %d, want 412", answer.StatusCode)
	}
	_, err := s.UpdateDevice(t.Context(), "lamp", "lamp-7", DeviceUpdate{})
	var detail *fleet.Error
	if !errors.As(err, &detail) || detail.Code != fleet.CodeChanged || !isKind(err, fleet.Conflict) {
		t.Errorf("the client: got %#v", err)
	}
}

// TestThePageLoadsNothing reads the readable page as a browser without a network would.
func TestThePageLoadsNothing(t *testing.T) {
	s := newServe(t)
	status, body := s.do(t, http.MethodGet, "/v1/docs", "", "")
	if status != http.StatusOK {
		t.Fatalf("got %d %s", status, body)
	}
	for _, foreign := range []string{"http://", "https://", "<script", "@import", "src="} {
		if strings.Contains(body, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
	for _, r := range s.routes {
		if !strings.Contains(body, `id="`+r.id+`"`) {
			t.Errorf("the page does not have %s", r.id)
		}
	}
}
