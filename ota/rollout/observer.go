package rollout

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota/pace"
)

// Observer does with one release what Service does, for a rehearsal: in a catalog, with devices and
// in a time of the caller's. It keeps nothing in a store. It is not safe for concurrent use.
type Observer struct{ service *Service }

// NewObserver returns an Observer of the devices in x. It counts no handshakes and alerts, so no
// device is unhealthy.
func NewObserver(x *index.Index, p *pace.Pace, maxAttempts int, now func() time.Time) *Observer {
	s := New(Config{Index: x, Pace: p, MaxAttempts: maxAttempts})
	s.now = now
	return &Observer{s}
}

// Look counts the devices of r, one of c's releases under way, and writes to c what becomes of r
// when it was observed for some more time. It returns that, and whether more changed than the time.
// With approve, a stage that waits for nothing but a person is approved.
func (o *Observer) Look(c *fleet.Catalog, r fleet.Release, observed time.Duration, approve bool) (fleet.Release, fleet.ReleaseCounts, bool, error) {
	n, err := o.service.countAll(c, &r)
	if err != nil {
		return r, n, false, err
	}
	next := Next(r, n, observed, o.service.now())
	if approve && next.State == fleet.ReleaseWaiting && missing(&next, n) == "" {
		if next, err = Act(next, fleet.ApproveRelease, n, "the rehearsal"); err != nil {
			return r, n, false, err
		}
	}
	return next, n, moved(&r, &next), o.service.put(c, &r, &next)
}
