//nolint:forbidigo // all sleeps are in synctest bubbles
package console

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

// bus has one listener.
type bus struct{ queue chan fleet.Event }

func (b bus) Listen(fleet.TeamID) (<-chan fleet.Event, func()) { return b.queue, func() {} }

func (b bus) Tally(fleet.ProductID) fleet.Tally { return fleet.Tally{} }

// Hear hides device "hidden" and what it may not ask about.
func (r *team) Hear(_ context.Context, _ fleet.Actor, e fleet.Event) (fleet.EventView, bool, error) {
	v := fleet.EventView{Event: e}
	if e.Device != "" {
		v.Product = 1
	}
	return v, e.Device != "hidden", nil
}

// listenTo is the stream a page at target hears while the test plays, which runs under
// fake time.
func listenTo(t *testing.T, r *team, target string, play func(c *Console, b bus)) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	synctest.Test(t, func(t *testing.T) {
		b := bus{queue: make(chan fleet.Event, 100)}
		c := New(Config{}, r, nil, b, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		session(request)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.ServeHTTP(recorder, request)
		}()
		synctest.Wait()
		play(c, b)
		time.Sleep(time.Second)
		cancel()
		<-done
	})
	return recorder.Body.String()
}

func TestStreamTellsKindsTogetherAndAtMostOnceASecond(t *testing.T) {
	got := listenTo(t, &team{}, "/live?product=1&device=lamp-7", func(_ *Console, b bus) {
		for range 2 {
			for _, e := range []fleet.Event{
				{Payload: fleet.HandshakeDone{}, Device: "hidden"}, {Payload: fleet.FlashChanged{}, Device: "lamp-8"},
				{Payload: fleet.MessageReceived{}, Device: "lamp-7"}, {Payload: fleet.DeviceLocked{}, Device: "lamp-7"}, {Payload: fleet.GroupChanged{}},
			} {
				b.queue <- e
			}
			time.Sleep(300 * time.Millisecond)
		}
	})
	if want := "retry: 2000\n\n" + strings.Repeat("event: changed\ndata: devices groups messages\n\n", 2); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStreamOfMessagesIsTheWholeTeams(t *testing.T) {
	got := listenTo(t, &team{}, "/live", func(_ *Console, b bus) {
		b.queue <- fleet.Event{Payload: fleet.MessageReceived{}, Device: "hidden"}
		b.queue <- fleet.Event{Payload: fleet.AlertRaised{}, Device: "hidden"}
		b.queue <- fleet.Event{Payload: fleet.UpdateChanged{}, Device: "hidden"}
	})
	if !strings.Contains(got, "data: alerts messages\n") {
		t.Errorf("got %q, want hints at alerts and messages, and at nothing else", got)
	}
}

func TestStreamBeatsAndEndsWithItsSession(t *testing.T) {
	r := &team{}
	got := listenTo(t, r, "/live?device=a", func(_ *Console, b bus) {
		time.Sleep(sse.Heartbeat + time.Second)
		synctest.Wait()
		r.signedOut = true                                                  // elsewhere: the next beat notices
		b.queue <- fleet.Event{Payload: fleet.HandshakeDone{}, Device: "b"} // not of this page: no right is read for it
		time.Sleep(sse.Heartbeat)
		b.queue <- fleet.Event{Payload: fleet.GroupChanged{}}
	})
	if want := "retry: 2000\n\n:\n\nevent: over\ndata: signed out\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStreamEndsAtSignOut(t *testing.T) {
	got := listenTo(t, &team{}, "/live", func(c *Console, _ bus) { c.streams.End(goodSecret) })
	if !strings.Contains(got, "event: over\n") {
		t.Errorf("got %q", got)
	}
}

func TestFeedTellsOfWhatItLeavesOut(t *testing.T) {
	got := listenTo(t, &team{}, "/events/stream?prefix=muster%2F", func(_ *Console, b bus) {
		for range maxTold + 5 {
			b.queue <- fleet.Event{Payload: fleet.StatusChanged{}, Device: "a"}
			b.queue <- fleet.Event{Payload: fleet.DeviceEdited{DeviceName: "<script>"}, Device: "<b>"}
			b.queue <- fleet.Event{Payload: fleet.HandshakeDone{}, Device: "hidden"}
			synctest.Wait()
		}
	})
	if n := strings.Count(got, "name: &lt;script&gt;"); n != maxTold || !strings.Contains(got, "5 events left out: too many at once") || strings.Contains(got, "hidden") || strings.Contains(got, "<b>") {
		t.Errorf("got %d rows:\n%.2000s", n, got)
	}
}
