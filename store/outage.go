package store

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// noticed is how long Redis has to be away before the log says so.
const noticed = time.Second

// outage tells the log that Redis is away, and that it is back: once, whatever fails
// meanwhile. It is safe for concurrent use.
type outage struct {
	log  *slog.Logger
	told atomic.Bool
}

// lasts says that trips have failed since then.
func (o *outage) lasts(since time.Time, cause error) {
	if time.Since(since) >= noticed && o.told.CompareAndSwap(false, true) {
		o.log.Warn("redis does not answer: devices and requests that need it are refused", "since", since, "err", cause)
	}
}

// over says that a trip has succeeded.
func (o *outage) over() {
	if o.told.Load() && o.told.CompareAndSwap(true, false) {
		o.log.Info("redis answers again")
	}
}
