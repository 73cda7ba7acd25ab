// Package steady is a clock for deadlines that are stored: a step of the machine's clock
// neither ends a wait nor makes it longer.
package steady

import (
	"context"
	"sync"
	"time"
)

const (
	// Believed is how long a step of the machine's clock has to last before Clock follows it.
	// A wrong step is usually corrected within minutes; a clock that was wrong when the process
	// started, or that stood still while the machine slept, stays corrected.
	Believed = 10 * time.Minute
	// slack is how far the machine's clock may be off without that being a step.
	slack = time.Second
)

// Clock is the machine's clock without its short-lived steps. The zero Clock is ready to use,
// and safe for concurrent use. It must not be copied.
type Clock struct {
	mu    sync.Mutex
	seen  time.Time     // when Now was called last, with the monotonic reading; guarded by mu
	now   time.Time     // what it returned; guarded by mu
	step  time.Duration // how far the machine's clock is off, while that is not believed; guarded by mu
	since time.Time     // by now: when that step was first seen; guarded by mu
}

// Now returns the machine's time, less a step of its clock that has lasted for less than Believed.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	reading, elapsed := time.Now(), time.Duration(0)
	if !c.seen.IsZero() {
		elapsed = reading.Sub(c.seen) // by the monotonic clock
	}
	c.seen = reading
	return c.advance(reading.Round(0), elapsed)
}

// advance returns the time for what the machine's clock shows and the time since the last call.
// The caller holds c.mu.
func (c *Clock) advance(wall time.Time, elapsed time.Duration) time.Time {
	if c.now.IsZero() {
		c.now = wall
	}
	c.now = c.now.Add(elapsed)
	switch off := wall.Sub(c.now); {
	case off.Abs() <= slack:
		c.now, c.step = wall, 0
	case (off - c.step).Abs() > slack:
		c.step, c.since = off, c.now
	case c.now.Sub(c.since) >= Believed:
		c.now, c.step = wall, 0
	}
	return c.now
}

// Sleep waits for d, and reports whether ctx lasted as long.
func Sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
