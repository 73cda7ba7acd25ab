package activity

import (
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// maxQueued bounds the events that wait for one listener. A listener that falls further
// behind misses events and receives fleet.EventsMissed instead.
const maxQueued = 256

// events distributes events to the listeners in this process. Nothing depends on an event: a
// listener reads the state again where it matters. It is safe for concurrent use.
type events struct {
	mu        sync.Mutex
	closed    bool               // guarded by mu
	listeners map[*listener]bool // guarded by mu
}

// listener is one subscription.
type listener struct {
	team   fleet.TeamID
	queue  chan fleet.Event
	behind bool // misses events until its queue is empty; guarded by events.mu
}

func newEvents() *events { return &events{listeners: make(map[*listener]bool)} }

// listen is Activity.Listen.
func (e *events) listen(team fleet.TeamID) (heard <-chan fleet.Event, leave func()) {
	l := &listener{team: team, queue: make(chan fleet.Event, maxQueued)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		close(l.queue)
		return l.queue, func() {}
	}
	e.listeners[l] = true
	return l.queue, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.listeners, l)
	}
}

// count returns the number of listeners.
func (e *events) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.listeners)
}

// publish passes event to the listeners of its team. It never blocks: a listener that can't
// follow receives fleet.EventsMissed in place of what it misses.
func (e *events) publish(event fleet.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.listeners {
		if l.team == event.Team {
			l.take(event)
		}
	}
}

func (l *listener) take(event fleet.Event) {
	if l.behind && len(l.queue) > 0 {
		return
	}
	l.behind = false
	if len(l.queue) == cap(l.queue)-1 { // the last place is reserved for EventsMissed
		l.behind = true
		event = fleet.Event{Payload: fleet.EventsMissed{}, Team: l.team, At: event.At}
	}
	l.queue <- event
}

// close ends all subscriptions; later ones end at once.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	for l := range e.listeners {
		close(l.queue)
		delete(e.listeners, l)
	}
}
