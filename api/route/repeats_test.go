package route_test

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
)

// maxKept is the longest answer that is kept for repeats, in bytes.
const maxKept = 32 << 10

// counter is an operation that counts its calls, and may wait in one.
type counter struct {
	calls   atomic.Int32
	began   chan struct{} // nil: no call waits
	release chan struct{}
	fails   error
	groups  []fleet.GroupID // of the caller
	role    fleet.Role      // the zero role is the owner
	long    int             // bytes of the answer
}

// count is an operation.
func (c *counter) count(_ context.Context, _ fleet.Actor, in *struct{ route.Input[api.NewCommand] }) (*route.Reply[api.Command], error) {
	n := c.calls.Add(1)
	if c.began != nil {
		c.began <- struct{}{}
		<-c.release
	}
	return route.Answer(api.Command{Number: uint32(n), Name: strings.Repeat("x", c.long), Message: in.In.Message}, c.fails)
}

// repeats is a Repeats on a real store.
func repeats(t *testing.T) route.Repeats {
	t.Helper()
	s, err := store.Ephemeral(t.Context(), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.Repeats
}

// serve serves c as a server process does: two of them may share kept.
func (c *counter) serve(kept route.Repeats) http.Handler { return c.serveAs("", nil, kept) }

func (c *counter) serveAs(process string, alive func(string) bool, kept route.Repeats) http.Handler {
	config := route.Config{
		Actor: func(_ context.Context, secret, _ string) (fleet.Actor, error) {
			if secret != "good" && secret != "also good" {
				return fleet.Actor{}, fleet.Errorf(fleet.Unauthenticated, "the token is not valid")
			}
			return fleet.Actor{User: 1, Team: 1, Role: cmp.Or(c.role, fleet.Owner), Groups: c.groups}, nil
		},
		Admit:   func(context.Context, fleet.Actor, fleet.Action, any) error { return nil },
		Repeats: kept, Process: process, Alive: alive, Log: slog.New(slog.DiscardHandler),
	}
	return route.Serve(config, route.Table{Routes: []route.Route{
		route.Post("Count", "/v1/count", "Count", route.Needs(fleet.SeeTeam), c.count).Accepted(),
	}})
}

// keyed sends a request with an Idempotency-Key.
func keyed(t *testing.T, handler http.Handler, token, key, message string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/count", strings.NewReader(`{"message":"`+message+`"}`))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestARepeatedPostIsCarriedOutOnce(t *testing.T) {
	kept := repeats(t)
	c := &counter{}
	handler, restarted := c.serve(kept), c.serve(kept)
	status, first := keyed(t, handler, "good", "k", "one")
	for _, server := range []http.Handler{handler, restarted} {
		if again, body := keyed(t, server, "good", "k", "one"); again != status || body != first || status != http.StatusAccepted {
			t.Errorf("got %d %s, want %d %s", again, body, status, first)
		}
	}
	if n := c.calls.Load(); n != 1 {
		t.Errorf("carried out %d times, want once", n)
	}
	if status, body := keyed(t, handler, "good", "k", "two"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "Idempotency-Key") {
		t.Errorf("the key with another body: got %d %s", status, body)
	}
	if _, body := keyed(t, handler, "also good", "k", "two"); c.calls.Load() != 2 {
		t.Errorf("another token's key is another key: got %s", body)
	}
	if status, _ := keyed(t, restarted, "ended", "k", "one"); status != http.StatusUnauthorized {
		t.Errorf("a token that was revoked: got %d, want 401", status)
	}
	c.fails = fleet.Errorf(fleet.Unavailable, "the store is away")
	keyed(t, handler, "good", "failed", "x")
	c.fails = nil
	if status, _ := keyed(t, handler, "good", "failed", "x"); status != http.StatusAccepted {
		t.Errorf("what failed may be tried again: got %d", status)
	}
	if status, _ := keyed(t, handler, "good", strings.Repeat("k", 300), "x"); status != http.StatusUnprocessableEntity {
		t.Errorf("a long key: got %d", status)
	}
}

func TestARepeatIsAnsweredByPresentRights(t *testing.T) {
	c := &counter{role: fleet.Editor, groups: []fleet.GroupID{2, 1}}
	handler := c.serve(repeats(t))
	_, first := keyed(t, handler, "good", "k", "one")
	for _, row := range []struct {
		name   string
		role   fleet.Role
		groups []fleet.GroupID
		want   int
	}{
		{"the same rights", fleet.Editor, []fleet.GroupID{1, 2}, http.StatusAccepted},
		{"a group less", fleet.Editor, []fleet.GroupID{1}, http.StatusForbidden},
		{"another role", fleet.Viewer, []fleet.GroupID{1, 2}, http.StatusForbidden},
	} {
		c.role, c.groups = row.role, row.groups
		if status, body := keyed(t, handler, "good", "k", "one"); status != row.want || (body == first) != (row.want == http.StatusAccepted) {
			t.Errorf("%s: got %d %s, want %d", row.name, status, body, row.want)
		}
	}
	if n := c.calls.Load(); n != 1 {
		t.Errorf("carried out %d times, want once", n)
	}
}

func TestARepeatDuringTheFirstRequestIsAConflict(t *testing.T) {
	kept := repeats(t)
	c := &counter{began: make(chan struct{}), release: make(chan struct{})}
	handler, restarted := c.serve(kept), c.serve(kept)
	done := make(chan int, 1)
	go func() {
		status, _ := keyed(t, handler, "good", "k", "one")
		done <- status
	}()
	<-c.began
	if status, body := keyed(t, handler, "good", "k", "one"); status != http.StatusConflict || !strings.Contains(body, "in progress") {
		t.Errorf("got %d %s, want 409", status, body)
	}
	if status, body := keyed(t, restarted, "good", "k", "one"); status != http.StatusConflict || !strings.Contains(body, "check whether it was carried out") {
		t.Errorf("a server started since: got %d %s, want 409", status, body)
	}
	close(c.release)
	if status := <-done; status != http.StatusAccepted {
		t.Errorf("the first: got %d", status)
	}
	if status, _ := keyed(t, handler, "good", "k", "one"); status != http.StatusAccepted || c.calls.Load() != 1 {
		t.Errorf("afterwards: got %d, carried out %d times", status, c.calls.Load())
	}
}

func TestAnAnswerTooLongToKeepIsNotMadeTwice(t *testing.T) {
	c := &counter{long: maxKept}
	handler := c.serve(repeats(t))
	if status, body := keyed(t, handler, "good", "k", "one"); status != http.StatusAccepted || len(body) < maxKept {
		t.Errorf("the first: got %d, %d bytes", status, len(body))
	}
	if status, body := keyed(t, handler, "good", "k", "one"); status != http.StatusConflict || !strings.Contains(body, "was carried out") || c.calls.Load() != 1 {
		t.Errorf("got %d %.200s, carried out %d times, want 409, once", status, body, c.calls.Load())
	}
}

// TestAStreamIsNotHeldBack: what an operation flushes goes out at once, also with a key.
func TestAStreamIsNotHeldBack(t *testing.T) {
	ended := make(chan struct{})
	stream := func(context.Context, fleet.Actor, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r, w := humago.Unwrap(ctx)
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-ended:
			case <-r.Context().Done():
			}
		}}, nil
	}
	config := route.Config{
		Actor: func(context.Context, string, string) (fleet.Actor, error) {
			return fleet.Actor{Team: 1, Role: fleet.Owner}, nil
		},
		Admit:   func(context.Context, fleet.Actor, fleet.Action, any) error { return nil },
		Repeats: repeats(t), Log: slog.New(slog.DiscardHandler),
	}
	handler := route.Serve(config, route.Table{Routes: []route.Route{
		route.Post("Stream", "/v1/count", "Stream", route.Needs(fleet.SeeTeam), stream),
	}})
	server := httptest.NewServer(handler)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/count", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer good")
	request.Header.Set("Idempotency-Key", "k")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("first"))
	if _, err := answer.Body.Read(line); err != nil || string(line) != "first" {
		t.Errorf("got %q, %v before the operation ended, want its first line", line, err)
	}
	close(ended)
	_ = answer.Body.Close()
}

// TestTheAddressOfAPeerHasNoPort is for limits by address.
func TestTheAddressOfAPeerHasNoPort(t *testing.T) {
	var address string
	handler := route.Serve(route.Config{Log: slog.New(slog.DiscardHandler)}, route.Table{Routes: []route.Route{
		route.Get("Who", "/who", "Who", route.Public, func(_ context.Context, _ fleet.Actor, in *struct{ route.Peer }) (*route.None, error) {
			address = in.Address
			return nil, nil
		}),
	}})
	for remote, want := range map[string]string{"127.0.0.1:4711": "127.0.0.1", "[2001:db8::1]:4711": "2001:db8::1", "pipe": "pipe"} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/who", nil)
		request.RemoteAddr = remote
		handler.ServeHTTP(httptest.NewRecorder(), request)
		if address != want {
			t.Errorf("%s: got %s, want %s", remote, address, want)
		}
	}
}

// TestARepeatAtAnotherServerWaitsWhileTheFirstOneRuns is row 10 of the design: the second server took a
// request that the first one was carrying out for one that was cut off.
func TestARepeatAtAnotherServerWaitsWhileTheFirstOneRuns(t *testing.T) {
	kept := repeats(t)
	c := &counter{began: make(chan struct{}), release: make(chan struct{})}
	var dead atomic.Bool
	alive := func(process string) bool { return process == "a" && !dead.Load() }
	a, b := c.serveAs("a", alive, kept), c.serveAs("b", alive, kept)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		keyed(t, a, "good", "k", "one")
	}()
	<-c.began
	if status, body := keyed(t, b, "good", "k", "one"); status != http.StatusConflict || !strings.Contains(body, "still in progress") {
		t.Errorf("while it runs: got %d %s", status, body)
	}
	dead.Store(true)
	if status, body := keyed(t, b, "good", "k", "one"); status != http.StatusConflict || !strings.Contains(body, "the server stopped") {
		t.Errorf("after its server has died: got %d %s", status, body)
	}
	close(c.release)
	<-answered
	if n := c.calls.Load(); n != 1 {
		t.Errorf("carried out %d times, want once", n)
	}
}
