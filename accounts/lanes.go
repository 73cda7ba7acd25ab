package accounts

import (
	"context"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// lane bounds the passwords that are hashed at the same time, and those that wait: each takes
// memory and a core. It is safe for concurrent use.
type lane struct {
	share int           // of the queue, for one network; 0: all of it
	queue chan struct{} // holds one value for each hash under way or waiting
	cores chan struct{} // holds one value for each hash under way

	mu  sync.Mutex
	per map[string]int // hashes under way or waiting, by network; guarded by mu
}

func newLane(cores, queue, share int) *lane {
	return &lane{
		share: share, queue: make(chan struct{}, cores+queue), cores: make(chan struct{}, cores), per: make(map[string]int),
	}
}

// enter waits for a core. leave gives it back. It returns fleet.Busy if too many wait already,
// in all or of the network, and when ctx ends.
func (l *lane) enter(ctx context.Context, network string) (leave func(), err error) {
	if !l.line(network) {
		return nil, fleet.Errorf(fleet.Busy, "too many sign-ins at once: try again in a few seconds")
	}
	select {
	case l.cores <- struct{}{}:
		return func() { <-l.cores; l.unline(network) }, nil
	case <-ctx.Done():
		l.unline(network)
		return nil, fleet.Errorf(fleet.Busy, "signing in took too long: %w", ctx.Err())
	}
}

// line takes a place in the queue, if there is one.
func (l *lane) line(network string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.share > 0 && l.per[network] >= l.share {
		return false
	}
	select {
	case l.queue <- struct{}{}:
		l.per[network]++
		return true
	default:
		return false
	}
}

func (l *lane) unline(network string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	<-l.queue
	if l.per[network]--; l.per[network] == 0 {
		delete(l.per, network)
	}
}
