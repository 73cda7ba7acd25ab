package activity

import (
	"testing"

	"github.com/muster-iot/muster/event"
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
		t.Error("the server ended and the subscription went on")
	}
	after, leave2 := e.listen(1)
	defer leave2()
	if _, more := <-after; more {
		t.Error("a subscription after the end must end at once")
	}
}
