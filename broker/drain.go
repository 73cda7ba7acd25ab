package broker

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Draining is how Drain ends connections.
type Draining struct {
	// Pace returns how many connections may be ended in a second, now that so many are left.
	Pace func(left int) float64
	// Last reports whether a device's connection should be ended after those of the others.
	Last func(fleet.DeviceID) bool
}

// drainEvery is the time between two times that Drain ends some connections.
const drainEvery = 100 * time.Millisecond

// Drain takes no more connections, and ends those that devices have at a pace, until none is left or ctx
// ends. MQTT 5: 0x9C, use another server; without a Server Reference, since devices reach the others at the
// address they have (MQTT 5 §4.13).
func (b *Broker) Drain(ctx context.Context, d Draining) {
	b.mu.Lock()
	b.draining = true
	listeners := b.unlisten()
	b.mu.Unlock()
	closeAll(listeners)

	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	before, allowed := time.Now(), 0.0
	var next, last []*Link
	for {
		if len(next) == 0 {
			next, last = last, nil
		}
		if len(next) == 0 {
			next, last = b.seated(d.Last)
		}
		left := b.seatCount()
		if left == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			pace := d.Pace(left)
			allowed = min(allowed+pace*now.Sub(before).Seconds(), max(1, pace)) // after a pause, no more than in a second
			if before = now; pace <= 0 {
				allowed = 0
			}
		}
		most := min(int(allowed), len(next))
		allowed -= float64(most)
		endAll(next[:most], codeUseAnother)
		next = next[most:]
	}
}

// seated returns the connections that devices have, in two parts: those for which last reports true are the second.
func (b *Broker) seated(last func(fleet.DeviceID) bool) (first, then []*Link) {
	b.mu.Lock()
	all := make(map[fleet.DeviceID]*Link, len(b.seats))
	for id, s := range b.seats {
		if s.holder != nil {
			all[id] = s.holder
		}
	}
	b.mu.Unlock()
	for id, l := range all {
		if last(id) {
			then = append(then, l)
		} else {
			first = append(first, l)
		}
	}
	return first, then
}

func (b *Broker) seatCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seats)
}

// unlisten returns the listeners, which are to be closed. The caller holds mu.
func (b *Broker) unlisten() (listeners []io.Closer) {
	for ln := range b.listeners {
		listeners = append(listeners, ln)
		delete(b.listeners, ln)
	}
	return listeners
}

func closeAll(listeners []io.Closer) {
	for _, ln := range listeners {
		_ = ln.Close() // it only listens
	}
}

// endAll ends connections, many at a time: a farewell to a stalled one takes a moment.
func endAll(all []*Link, code byte) {
	const together = 64
	links := make(chan *Link, len(all))
	for _, l := range all {
		links <- l
	}
	close(links)
	var enders sync.WaitGroup
	for range min(together, len(all)) {
		enders.Go(func() {
			for l := range links {
				l.end(code)
			}
		})
	}
	enders.Wait()
}
