package session

import (
	"context"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
)

// Recheckers is how many devices are re-evaluated at the same time. It paces an immediate
// release: other devices wait.
const Recheckers = 16

// rechecks are the online devices that wait to be re-evaluated. A device waits at most once,
// so there are never more than devices online. It is safe for concurrent use.
type rechecks struct {
	wake chan struct{} // holds one token when there may be work

	mu      sync.Mutex
	waiting map[fleet.DeviceID]ota.Occasion // guarded by mu
	order   []fleet.DeviceID                // of waiting, oldest first; guarded by mu
}

func newRechecks() *rechecks {
	return &rechecks{wake: make(chan struct{}, 1), waiting: make(map[fleet.DeviceID]ota.Occasion)}
}

// add adds a device. It never blocks. A device that waits already keeps its occasion, unless
// the new one is a free slot, which is reserved for it.
func (r *rechecks) add(id fleet.DeviceID, at ota.Occasion) {
	r.mu.Lock()
	if _, waits := r.waiting[id]; !waits {
		r.order = append(r.order, id)
		r.waiting[id] = at
	} else if at == ota.AtSlot {
		r.waiting[id] = at
	}
	r.mu.Unlock()
	r.signal()
}

// next removes and returns the device that has waited longest.
func (r *rechecks) next() (id fleet.DeviceID, at ota.Occasion, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.order) == 0 {
		return "", 0, false
	}
	id, r.order = r.order[0], r.order[1:]
	at = r.waiting[id]
	delete(r.waiting, id)
	if len(r.order) > 0 {
		r.signal()
	}
	return id, at, true
}

func (r *rechecks) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run rechecks devices until ctx ends.
func (r *rechecks) run(ctx context.Context, recheck func(fleet.DeviceID, ota.Occasion)) {
	var workers sync.WaitGroup
	for range Recheckers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-r.wake:
				}
				for ctx.Err() == nil {
					id, at, ok := r.next()
					if !ok {
						break
					}
					recheck(id, at)
				}
			}
		})
	}
	workers.Wait()
}

// askWhenCool schedules the Hello that begins the next attempt for the end of the cool-down
// after a failed update: the device may stay connected for long.
func (s *session) askWhenCool(d *fleet.Device) {
	if d.Update.State == fleet.Failed && !s.sessions.ota.Exhausted(d) {
		cool := s.sessions.ota.CoolDown(d)
		s.askAt(time.Now().Add(cool + tenth(max(cool, time.Second))))
	}
}

// noWay raises an alert if a decision has found out that the device can't get to its target.
func (s *session) noWay(ctx context.Context, g *handshake.Greeting[ota.Plan]) {
	if g.Plan.NoWay {
		s.sessions.activity.NoWay(ctx, g.Device, g.Plan.Why)
	}
}

// recheckPatience is how long a device that takes no bytes keeps a rechecker from the next
// device.
const recheckPatience = time.Second

// recheck re-evaluates one device and waits for that, but not longer than recheckPatience.
func (c *Sessions) recheck(ctx context.Context, id fleet.DeviceID, at ota.Occasion) {
	t := taskReevaluate
	if at == ota.AtSlot {
		t = taskSlot
	}
	if !c.await(ctx, id, t) {
		c.ota.Gone(id, nil) // frees the slot that was reserved for it
		c.elsewhere(id)
	}
}

// await has the session of a device do t, and waits for that, but not longer than recheckPatience. It
// reports whether there is a session.
func (c *Sessions) await(ctx context.Context, id fleet.DeviceID, t task) bool {
	s := c.find(id)
	if s == nil {
		return false
	}
	patience := time.NewTimer(recheckPatience)
	defer patience.Stop()
	select {
	case <-s.run(t):
	case <-patience.C:
	case <-ctx.Done():
	}
	return true
}
