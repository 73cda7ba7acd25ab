package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// fakeEvents has one listener.
type fakeEvents struct {
	queue chan fleet.Event
	left  chan bool
}

func newFakeEvents() *fakeEvents {
	return &fakeEvents{queue: make(chan fleet.Event, 10), left: make(chan bool, 10)}
}

func (f *fakeEvents) Listen(fleet.TeamID) (<-chan fleet.Event, func()) {
	return f.queue, func() { f.left <- true }
}

// Hear hides events of device "hidden".
func (r *fakeRegistry) Hear(_ context.Context, _ fleet.Actor, e fleet.Event) (fleet.EventView, bool, error) {
	v := fleet.EventView{Event: e, Running: version("6")}
	if e.Device != "" {
		v.Product = 42
	}
	return v, e.Device != "hidden", nil
}

// listening is an open event stream.
type listening struct {
	lines *bufio.Scanner
	stop  func()
}

func (s *serve) listen(t *testing.T, path string) *listening {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+testToken)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%s: got %d %s", path, answer.StatusCode, kind)
	}
	return &listening{lines: bufio.NewScanner(answer.Body), stop: stop}
}

// next is the next line that is neither empty nor a heartbeat, "" at the end.
func (l *listening) next() string {
	for l.lines.Scan() {
		if line := l.lines.Text(); line != "" && line != ":" {
			return line
		}
	}
	return ""
}

func TestEventsComeInParticlesShape(t *testing.T) {
	s := newServe(t)
	l := s.listen(t, "/v1/products/42/events/spark%2F?nonce=0.123")
	if got := l.next(); got != ":ok" {
		t.Errorf("a stream begins with %q, want :ok", got)
	}
	for _, e := range []fleet.Event{
		{Payload: fleet.HandshakeDone{}, Device: "lamp-7"},
		{Payload: fleet.StatusChanged{Status: "offline"}, Device: "hidden"},
		{Payload: fleet.StatusChanged{Status: "online"}, Device: "lamp-7", At: moment1},
	} {
		s.events.queue <- e
	}
	if got := l.next(); got != "event: spark/status" {
		t.Errorf("got %q, want the one event that is selected and seen", got)
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(l.next(), "data: ")), &e); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"data": "online", "ttl": 60.0, "published_at": "2026-05-04T03:02:01Z", "coreid": "lamp-7", "productID": 42.0, "version": 6.0, "public": false,
	}
	for key, value := range want {
		if e[key] != value {
			t.Errorf("%s: got %v, want %v", key, e[key], value)
		}
	}
	close(s.events.queue)
	if got := l.next(); got != "" {
		t.Errorf("the server ends, the stream says %q", got)
	}
}

func TestEventsOfDevicesAreSelectedByPrefix(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/devices/lamp-7/events/muster%2Fh": "muster/handshake lamp-7",
		"/v1/devices/events/muster%2Fh":        "muster/handshake lamp-8",
		"/v1/devices/events/spark":             "spark/status lamp-8",
		"/v1/events/muster%2F":                 "muster/group api",
	} {
		s := newServe(t)
		l := s.listen(t, path)
		for _, e := range []fleet.Event{
			{Payload: fleet.GroupChanged{}},
			{Payload: fleet.HandshakeDone{}, Device: "lamp-8"},
			{Payload: fleet.StatusChanged{}, Device: "lamp-8"},
			{Payload: fleet.HandshakeDone{}, Device: "lamp-7"},
		} {
			s.events.queue <- e
		}
		_ = l.next() // :ok
		name, data := l.next(), l.next()
		var e api.Event
		if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &e); err != nil {
			t.Fatalf("%s: %v in %q", path, err, data)
		}
		if got := strings.TrimPrefix(name, "event: ") + " " + e.CoreID; got != want {
			t.Errorf("%s: got %s first, want %s", path, got, want)
		}
		l.stop()
	}
}

func TestAStreamGivesSignsOfLifeAndEndsWithItsListener(t *testing.T) {
	s := newServe(t)
	l := s.listen(t, "/v1/devices/events")
	for beats := 0; beats < 3 && l.lines.Scan(); {
		if l.lines.Text() == ":" {
			beats++
		}
	}
	l.stop()
	select {
	case <-s.events.left:
	case <-time.After(10 * time.Second):
		t.Error("the stream went on after its listener had gone")
	}
}
