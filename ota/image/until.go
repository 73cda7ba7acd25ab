package image

import (
	"context"
	"time"
)

// until is a context that lasts until the channel is closed. It costs nothing to make.
type until <-chan struct{}

// Deadline implements context.Context.
func (until) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (u until) Done() <-chan struct{} { return u }

// Err implements context.Context.
func (u until) Err() error {
	select {
	case <-u:
		return context.Canceled
	default:
		return nil
	}
}

// Value implements context.Context.
func (until) Value(any) any { return nil }
