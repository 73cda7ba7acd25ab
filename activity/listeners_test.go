package activity

import (
	"log/slog"
	"testing"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

// TestSlowListenerGetsAMarkerForWhatItMissed fills a listener's queue: publishing does not wait for it.
func TestSlowListenerGetsAMarkerForWhatItMissed(t *testing.T) {
	e := newEvents()
	slow, leave := e.listen(1)
	defer leave()
	for range 3 * maxQueued {
		e.publish(event.Event{Payload: event.HandshakeDone{}, Team: 1})
		e.publish(event.Event{Payload: event.GroupChanged{}, Team: 2})
	}
	names := map[event.Name]int{}
	for range maxQueued {
		names[(<-slow).Name()]++
	}
	if names[event.NameHandshake] != maxQueued-1 || names[event.NameMissed] != 1 || len(slow) != 0 {
		t.Errorf("got %v, want %d events of its team and one marker", names, maxQueued-1)
	}
	e.publish(event.Event{Payload: event.MessageReceived{}, Team: 1})
	if got := <-slow; got.Name() != event.NameMessage {
		t.Errorf("after it caught up: got %q", got.Name())
	}
	e.close()
	if _, more := <-slow; more {
		t.Error("the server ended and the subscription continued")
	}
	after, leave2 := e.listen(1)
	defer leave2()
	if _, more := <-after; more {
		t.Error("a subscription after the end must end at once")
	}
}

// TestOthersKnowWhoListensAndHearWhatIsPublished is what servers that share a store need.
func TestOthersKnowWhoListensAndHearWhatIsPublished(t *testing.T) {
	listening, published := 0, 0
	a := New(Config{
		Log: slog.New(slog.DiscardHandler), Published: func(event.Event) { published++ },
		Listening: func(fleet.TeamID) func() { listening++; return func() { listening-- } },
	})
	heard, leave := a.Listen(1)
	a.Publish(event.Event{Payload: event.HandshakeDone{}, Team: 1})
	a.Hear(event.Event{Payload: event.HandshakeDone{}, Team: 1})
	if listening != 1 || published != 1 || len(heard) != 2 {
		t.Errorf("%d listen, %d events are passed on and %d heard, want 1, 1 and 2", listening, published, len(heard))
	}
	if leave(); listening != 0 || a.Listeners() != 0 {
		t.Error("who has left listens")
	}
}
