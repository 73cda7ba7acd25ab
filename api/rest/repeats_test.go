package rest_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/fleet"
)

// fakeRepeats is a Repeats in memory, without expiry.
type fakeRepeats struct {
	mu      sync.Mutex
	records map[string]string // guarded by mu
}

func newFakeRepeats() *fakeRepeats { return &fakeRepeats{records: map[string]string{}} }

func (k *fakeRepeats) Take(_ context.Context, team fleet.TeamID, id, record string, _ time.Time) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if held, ok := k.records[team.String()+id]; ok {
		return held, nil
	}
	k.records[team.String()+id] = record
	return record, nil
}

func (k *fakeRepeats) Settle(_ context.Context, team fleet.TeamID, id, record string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if record == "" {
		delete(k.records, team.String()+id)
	} else {
		k.records[team.String()+id] = record
	}
	return nil
}

func (k *fakeRepeats) all() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return fmt.Sprint(k.records)
}

// counter is a registry that counts commands, and may hold them up.
type counter struct {
	*fakeRegistry
	calls   atomic.Int32
	began   chan struct{} // nil: nothing is held up
	release chan struct{}
	long    int // bytes of the answer's name
}

func (c *counter) Actor(ctx context.Context, secret string) (fleet.Actor, error) {
	if secret == "also good" {
		secret = testToken
	}
	return c.fakeRegistry.Actor(ctx, secret)
}

func (c *counter) Command(_ context.Context, _ fleet.Actor, id fleet.DeviceID, _ string, payload []byte, _ time.Duration) (fleet.Command, error) {
	n := c.calls.Add(1)
	if c.began != nil {
		c.began <- struct{}{}
		<-c.release
	}
	return fleet.Command{Number: uint32(n), Device: id, Name: strings.Repeat("x", c.long), Payload: payload}, c.fails
}

// repeating is an API that counts, and keeps answers in kept.
func repeating(kept *fakeRepeats) (*counter, http.Handler) {
	c := &counter{fakeRegistry: &fakeRegistry{view: sampleDevice()}}
	operations := rest.New(rest.Config{}, rest.Domain{Accounts: c, Registry: c, OTA: &fakeOTA{}, Events: newFakeEvents(), Repeats: kept}, slog.New(slog.DiscardHandler))
	return c, handler(operations)
}

// keyed sends a command with an Idempotency-Key.
func keyed(t *testing.T, handler http.Handler, token, key, message string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/devices/lamp-7/commands", strings.NewReader(`{"message":"`+message+`"}`))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestARepeatedPostIsCarriedOutOnce(t *testing.T) {
	kept := newFakeRepeats()
	c, handler := repeating(kept)
	_, restarted := repeating(kept)
	status, first := keyed(t, handler, testToken, "k", "one")
	for _, server := range []http.Handler{handler, restarted} {
		if again, body := keyed(t, server, testToken, "k", "one"); again != status || body != first || status != http.StatusAccepted {
			t.Errorf("got %d %s, want %d %s", again, body, status, first)
		}
	}
	if n := c.calls.Load(); n != 1 {
		t.Errorf("carried out %d times, want once", n)
	}
	if status, body := keyed(t, handler, testToken, "k", "two"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "Idempotency-Key") {
		t.Errorf("the key with another body: got %d %s", status, body)
	}
	if _, body := keyed(t, handler, "also good", "k", "two"); c.calls.Load() != 2 {
		t.Errorf("another token's key is another key: got %s", body)
	}
	if status, _ := keyed(t, restarted, "ended", "k", "one"); status != http.StatusUnauthorized {
		t.Errorf("a token that is none any more: got %d, want 401", status)
	}
	c.fails = fleet.Errorf(fleet.Unavailable, "the store is away")
	keyed(t, handler, testToken, "failed", "x")
	c.fails = nil
	if status, _ := keyed(t, handler, testToken, "failed", "x"); status != http.StatusAccepted {
		t.Errorf("what failed may be tried again: got %d", status)
	}
	if status, _ := keyed(t, handler, testToken, strings.Repeat("k", 300), "x"); status != http.StatusUnprocessableEntity {
		t.Errorf("a long key: got %d", status)
	}
}

func TestARepeatDuringTheFirstRequestIsAConflict(t *testing.T) {
	kept := newFakeRepeats()
	c, handler := repeating(kept)
	_, restarted := repeating(kept)
	c.began, c.release = make(chan struct{}), make(chan struct{})
	done := make(chan int, 1)
	go func() {
		status, _ := keyed(t, handler, testToken, "k", "one")
		done <- status
	}()
	<-c.began
	if status, body := keyed(t, handler, testToken, "k", "one"); status != http.StatusConflict || !strings.Contains(body, "under way") {
		t.Errorf("got %d %s, want 409", status, body)
	}
	if status, body := keyed(t, restarted, testToken, "k", "one"); status != http.StatusConflict || !strings.Contains(body, "look whether it was carried out") {
		t.Errorf("a server started since: got %d %s, want 409", status, body)
	}
	close(c.release)
	if status := <-done; status != http.StatusAccepted {
		t.Errorf("the first: got %d", status)
	}
	if status, _ := keyed(t, handler, testToken, "k", "one"); status != http.StatusAccepted || c.calls.Load() != 1 {
		t.Errorf("afterwards: got %d, carried out %d times", status, c.calls.Load())
	}
}

func TestAnAnswerTooLongToKeepIsNotMadeTwice(t *testing.T) {
	c, handler := repeating(newFakeRepeats())
	c.long = (32 << 10)
	if status, body := keyed(t, handler, testToken, "k", "one"); status != http.StatusAccepted || len(body) < (32<<10) {
		t.Errorf("the first: got %d, %d bytes", status, len(body))
	}
	if status, body := keyed(t, handler, testToken, "k", "one"); status != http.StatusConflict || !strings.Contains(body, "was carried out") || c.calls.Load() != 1 {
		t.Errorf("got %d %.200s, carried out %d times, want 409, once", status, body, c.calls.Load())
	}
}

// TestAnAnswerThatComesLineByLineIsNotHeldBack imports with a line for each device: the
// lines go out, and a repeat is told that they did.
func TestAnAnswerThatComesLineByLineIsNotHeldBack(t *testing.T) {
	_, handler := repeating(newFakeRepeats())
	send := func() *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/products/42/devices", strings.NewReader(`{"ids":["a","b"]}`))
		r.Header = http.Header{"Authorization": {"Bearer " + testToken}, "Accept": {"application/x-ndjson"}, "Idempotency-Key": {"k"}, "Content-Type": {"application/json"}}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	if w := send(); w.Code != http.StatusOK || !w.Flushed || strings.Count(w.Body.String(), "\n") != 3 || !strings.Contains(w.Body.String(), `{"done":2,"total":2}`) {
		t.Errorf("got %d, flushed %t, %s", w.Code, w.Flushed, w.Body)
	}
	if w := send(); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "was carried out") {
		t.Errorf("again: got %d %s, want 409", w.Code, w.Body)
	}
}

// TestWhatIsKeptForRepeatsTellsNothing looks for what went in and out in what is kept.
func TestWhatIsKeptForRepeatsTellsNothing(t *testing.T) {
	s := newServe(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+"/v1/products/42/devices", strings.NewReader(`{"id":"a","groups":["confidential"]}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+testToken)
	request.Header.Set("Idempotency-Key", "my key")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || !strings.Contains(string(body), "s3cret") {
		t.Fatalf("got %s, %v", body, err)
	}
	for _, text := range []string{"s3cret", base64.StdEncoding.EncodeToString([]byte("s3cret")), "confidential", "my key", testToken} {
		if strings.Contains(s.repeats.all(), text) {
			t.Errorf("%q is in %s", text, s.repeats.all())
		}
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
		if !strings.Contains(body, `id="`+r.ID+`"`) {
			t.Errorf("the page does not have %s", r.ID)
		}
	}
}
