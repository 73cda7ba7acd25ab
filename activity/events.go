package activity

import (
	"sync"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

// maxQueued bounds the events that wait for one listener. A listener that falls further
// behind misses events and receives event.Missed instead.
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
	queue  chan event.Event
	behind bool // misses events until its queue is empty; guarded by events.mu
}

func newEvents() *events { return &events{listeners: make(map[*listener]bool)} }

// listen implements Activity.Listen.
func (e *events) listen(team fleet.TeamID) (heard <-chan event.Event, leave func()) {
	l := &listener{team: team, queue: make(chan event.Event, maxQueued)}
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

// publish passes it to the listeners of its team. It never blocks: a listener that can't
// follow receives event.Missed in place of what it misses.
func (e *events) publish(it event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.listeners {
		if l.team == it.Team {
			l.take(it)
		}
	}
}

func (l *listener) take(it event.Event) {
	if l.behind && len(l.queue) > 0 {
		return
	}
	l.behind = false
	if len(l.queue) == cap(l.queue)-1 { // the last place is reserved for event.Missed
		l.behind = true
		it = event.Event{Payload: event.Missed{}, Team: l.team, At: it.At}
	}
	l.queue <- it
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
