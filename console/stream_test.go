//nolint:forbidigo // all sleeps are in synctest bubbles
package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

// member hears of every device but "hidden", as one of product 1, until signed out.
type member struct{ signedOut bool }

func (m *member) Actor(context.Context, string) (fleet.Actor, error) {
	if m.signedOut {
		return fleet.Actor{}, fleet.Errorf(fleet.Unauthenticated, "no such token")
	}
	return owner, nil
}

func (m *member) Hear(_ context.Context, _ fleet.Actor, e event.Event) (event.View, bool, error) {
	v := event.View{Event: e}
	if e.Device != "" {
		v.Product = 1
	}
	return v, e.Device != "hidden", nil
}

// played returns what a page receives while the test plays, which runs under fake time.
func played(t *testing.T, l sse.Listener, play func(events chan<- event.Event, m *member)) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	synctest.Test(t, func(t *testing.T) {
		events, m := make(chan event.Event, 100), &member{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := streamTo(l, m, "", events, nil).Run(ctx, sse.NewWriter(recorder)); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		play(events, m)
		time.Sleep(time.Second)
		cancel()
		<-done
	})
	return recorder.Body.String()
}

func TestStreamSendsKindsTogetherAndAtMostOnceASecond(t *testing.T) {
	got := played(t, newHints(1, "lamp-7"), func(events chan<- event.Event, _ *member) {
		for range 2 {
			for _, e := range []event.Event{
				{Payload: event.HandshakeDone{}, Device: "hidden"}, {Payload: event.FlashChanged{}, Device: "lamp-8"},
				{Payload: event.MessageReceived{}, Device: "lamp-7"}, {Payload: event.DeviceLocked{}, Device: "lamp-7"}, {Payload: event.GroupChanged{}},
			} {
				events <- e
			}
			time.Sleep(300 * time.Millisecond)
		}
	})
	if want := "retry: 2000\n\n" + strings.Repeat("event: changed\ndata: devices groups messages\n\n", 2); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMessagesAndAlertsConcernTheWholeTeam(t *testing.T) {
	got := played(t, newHints(0, ""), func(events chan<- event.Event, _ *member) {
		events <- event.Event{Payload: event.MessageReceived{}, Device: "hidden"}
		events <- event.Event{Payload: event.AlertRaised{}, Device: "hidden"}
		events <- event.Event{Payload: event.UpdateChanged{}, Device: "hidden"}
	})
	if !strings.Contains(got, "data: alerts messages\n") {
		t.Errorf("got %q, want hints at alerts and messages, and at nothing else", got)
	}
}

func TestStreamBeatsAndEndsWithItsSession(t *testing.T) {
	got := played(t, newHints(0, "a"), func(events chan<- event.Event, m *member) {
		time.Sleep(sse.Heartbeat + time.Second)
		synctest.Wait()
		m.signedOut = true                                                 // elsewhere: the next heartbeat notices
		events <- event.Event{Payload: event.HandshakeDone{}, Device: "b"} // not of this page: no right is read for it
		time.Sleep(sse.Heartbeat)
		events <- event.Event{Payload: event.GroupChanged{}}
	})
	if want := "retry: 2000\n\n:\n\nevent: over\ndata: signed out\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// opening has one listener, and calls opened when it comes.
type opening struct {
	idle
	opened func()
}

func (o opening) Listen(team fleet.TeamID) (<-chan event.Event, func()) {
	o.opened()
	return o.idle.Listen(team)
}

func TestStreamEndsAtSignOut(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorld(t, func(_ *world, c *Config) { c.Live = opening{opened: func() { w.streams.End(w.secret) }} })
	if got := body(t, w.send(http.MethodGet, "/live", nil, w.signed)); !strings.Contains(got, "event: over\n") {
		t.Errorf("got %q", got)
	}
}

func TestFeedCountsWhatItLeavesOut(t *testing.T) {
	got := played(t, &feed{wanted: eventsBody{Prefix: "muster/"}}, func(events chan<- event.Event, _ *member) {
		for range maxTogether + 5 {
			events <- event.Event{Payload: event.StatusChanged{}, Device: "a"}
			events <- event.Event{Payload: event.DeviceEdited{DeviceName: "<script>"}, Device: "<b>"}
			events <- event.Event{Payload: event.HandshakeDone{}, Device: "hidden"}
			synctest.Wait()
		}
	})
	if n := strings.Count(got, "name: &lt;script&gt;"); n != maxTogether || !strings.Contains(got, "5 events left out: too many at once") || strings.Contains(got, "hidden") || strings.Contains(got, "<b>") {
		t.Errorf("got %d rows:\n%.2000s", n, got)
	}
}
