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
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

// at is when the events of tests happen.
var at = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// listening is an open event stream.
type listening struct {
	lines *bufio.Scanner
	stop  func()
}

func (w *world) listen(t *testing.T, token, path string) *listening {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	request := w.request(http.MethodGet, path, "", "").WithContext(ctx)
	request.Header.Set("Authorization", "Bearer "+token)
	answer := must[*http.Response](t)(http.DefaultClient.Do(request))
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
	t.Parallel()
	w := newWorld(t)
	w.edit(lamp7, func(d *fleet.Device) { d.Running = version("6") })
	token, _ := w.join("editor@example.com", fleet.Editor, "beta")
	l := w.listen(t, token, "/v1/products/lamp/events/spark%2F?nonce=0.123")
	if got := l.next(); got != ":ok" {
		t.Errorf("a stream begins with %q, want :ok", got)
	}
	for _, e := range []event.Event{
		{Payload: event.HandshakeDone{}, Device: "1/lamp-7", Team: w.owner.Team},
		{Payload: event.StatusChanged{Status: "offline"}, Device: "1/lamp-9", Team: w.owner.Team},
		{Payload: event.StatusChanged{Status: "online"}, Device: "1/lamp-7", Team: w.owner.Team, At: at},
	} {
		w.events.queue <- e
	}
	if got := l.next(); got != "event: spark/status" {
		t.Errorf("got %q, want the one event that is selected and seen", got)
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(l.next(), "data: ")), &e); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"data": "online", "ttl": 60.0, "published_at": "2026-05-04T03:02:01Z", "coreid": "lamp-7", "productID": float64(w.product), "version": 6.0, "public": false,
	}
	for key, value := range want {
		if e[key] != value {
			t.Errorf("%s: got %v, want %v", key, e[key], value)
		}
	}
	close(w.events.queue)
	if got := l.next(); got != "" {
		t.Errorf("the server ends, the stream says %q", got)
	}
}

func TestEventsOfDevicesAreSelectedByPrefix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, want := range map[string]string{
		"/v1/devices/lamp-7/events/muster%2Fh": "muster/handshake lamp-7",
		"/v1/devices/events/muster%2Fh":        "muster/handshake lamp-8",
		"/v1/devices/events/spark":             "spark/status lamp-8",
		"/v1/events/muster%2F":                 "muster/group api",
	} {
		l := w.listen(t, w.token, path)
		for _, e := range []event.Event{
			{Payload: event.GroupChanged{}, Team: w.owner.Team},
			{Payload: event.HandshakeDone{}, Device: "1/lamp-8", Team: w.owner.Team},
			{Payload: event.StatusChanged{Status: event.StatusOnline}, Device: "1/lamp-8", Team: w.owner.Team},
			{Payload: event.HandshakeDone{}, Device: "1/lamp-7", Team: w.owner.Team},
		} {
			w.events.queue <- e
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
		<-w.events.left
		for len(w.events.queue) > 0 {
			<-w.events.queue
		}
	}
}

func TestAStreamGivesSignsOfLifeAndEndsWithItsListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.listen(t, w.token, "/v1/devices/events")
	for beats := 0; beats < 3 && l.lines.Scan(); {
		if l.lines.Text() == ":" {
			beats++
		}
	}
	l.stop()
	select {
	case <-w.events.left:
	case <-time.After(patience):
		t.Error("the stream went on after its listener had gone")
	}
}
