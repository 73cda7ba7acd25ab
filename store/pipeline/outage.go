package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

// lane is one of the two kinds of trips.
type lane int

const (
	reads lane = iota
	writes
	lanes
)

const (
	noticed  = time.Second     // how long trips have to fail before that is logged
	quietFor = 3 * time.Second // how long none may fail before an outage that was logged is over
)

// outage logs once that Redis can't be used and once that it can again, however many trips
// fail in between. It is safe for concurrent use.
type outage struct {
	log     *slog.Logger
	began   time.Time
	written atomic.Int64 // when a write last worked, ns after began
	failing atomic.Bool  // whether any lane fails, so that successes need no lock

	mu     sync.Mutex
	since  [lanes]time.Time // zero while the lane's trips succeed; guarded by mu
	last   time.Time        // of the failures; guarded by mu
	cause  error            // of the last failure; guarded by mu
	logged bool             // guarded by mu

	refusals rate.Sometimes // of log lines about single commands
}

// lasts notes that a trip has failed.
func (o *outage) lasts(l lane, cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failing.Store(true)
	o.last, o.cause = time.Now(), cause
	if o.since[l].IsZero() {
		o.since[l] = o.last
	}
	if time.Since(o.since[l]) < noticed || o.logged {
		return
	}
	o.logged = true
	if errors.As(cause, new(redis.Error)) || errors.As(cause, new(*Foreign)) {
		o.log.Warn("redis answers but can't be used: devices and requests that need it are refused", "since", o.since[l], "err", Explain(cause))
	} else {
		o.log.Warn("redis does not answer: devices and requests that need it are refused", "since", o.since[l], "err", cause)
	}
}

// over notes that a trip has succeeded. Of an outage that was logged that is the end only after
// a while: what Redis refuses may be one command of many.
func (o *outage) over(l lane) {
	if l == writes {
		o.written.Store(int64(time.Since(o.began)))
	}
	if !o.failing.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since[l] = time.Time{}
	if o.lasting() || o.logged && time.Since(o.last) < quietFor {
		return
	}
	o.failing.Store(false)
	o.cause = nil
	if o.logged {
		o.logged = false
		o.log.Info("redis answers again")
	}
}

// lasting reports whether a lane's last trip failed; the caller must hold o.mu.
func (o *outage) lasting() bool { return o.since != [lanes]time.Time{} }

// replaced ends an outage that was logged: another master has taken over.
func (o *outage) replaced() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.logged {
		o.logged = false
		o.log.Info("redis answers again: another master has taken over")
	}
}

// silent returns an error if no write worked within.
func (o *outage) silent(within time.Duration) error {
	ago := time.Since(o.began) - time.Duration(o.written.Load())
	if ago <= within {
		return nil
	}
	return fmt.Errorf("no write to redis has worked for %s", ago.Round(time.Second))
}

// present returns why trips fail, or failed a moment ago in an outage that was logged; nil while
// they succeed.
func (o *outage) present() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lasting() || o.logged {
		return o.cause
	}
	return nil
}

// refused returns err as Refused does, and logs a refusal, but few of many.
func (o *outage) refused(err error) error {
	refused := Refused(err)
	if errors.Is(refused, errRefused) {
		o.refusals.Do(func() { o.log.Error("redis refuses a command", "err", err) })
	}
	return refused
}
