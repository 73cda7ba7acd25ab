package accounts

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// lane bounds the passwords of known browsers and signed-in users that are hashed at the same
// time, and those that wait: each takes memory and a core. It is safe for concurrent use.
type lane struct {
	queue chan struct{} // holds one value for each hash under way or waiting
	cores chan struct{} // holds one value for each hash under way
}

func newLane(cores, queue int) *lane {
	return &lane{queue: make(chan struct{}, cores+queue), cores: make(chan struct{}, cores)}
}

// enter waits for a core. leave gives it back. It returns fleet.Busy if too many wait already,
// and when ctx ends.
func (l *lane) enter(ctx context.Context) (leave func(), err error) {
	select {
	case l.queue <- struct{}{}:
	default:
		return nil, tooManyAtOnce()
	}
	select {
	case l.cores <- struct{}{}:
		return func() { <-l.cores; <-l.queue }, nil
	case <-ctx.Done():
		<-l.queue
		return nil, tookTooLong(ctx)
	}
}

func tooManyAtOnce() error {
	return fleet.Errorf(fleet.Busy, "too many sign-ins at once: try again in a few seconds")
}

func tookTooLong(ctx context.Context) error {
	return fleet.Errorf(fleet.Busy, "signing in took too long: %w", ctx.Err())
}
