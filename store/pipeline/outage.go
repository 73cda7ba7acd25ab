package pipeline

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// noticed is how long trips have to fail before that is logged.
const noticed = time.Second

// outage logs once that Redis does not answer and once that it answers again, however many
// trips fail in between. It is safe for concurrent use.
type outage struct {
	log    *slog.Logger
	logged atomic.Bool
}

// lasts notes that trips have failed since then.
func (o *outage) lasts(since time.Time, cause error) {
	if time.Since(since) >= noticed && o.logged.CompareAndSwap(false, true) {
		o.log.Warn("redis does not answer: devices and requests that need it are refused", "since", since, "err", cause)
	}
}

// over notes that a trip has succeeded.
func (o *outage) over() {
	if o.logged.Load() && o.logged.CompareAndSwap(true, false) {
		o.log.Info("redis answers again")
	}
}
