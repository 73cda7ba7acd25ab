package release

import (
	"context"
	"errors"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// maxCooling bounds the records that are read to find out who waits after a failed attempt.
const maxCooling = 2000

// mayCool reports whether devices of an entry may wait after a failed attempt at what is their
// target before and after the change: how long is in their records only.
func (t *sum) mayCool(old, new *fleet.IndexEntry) bool {
	if new.Spent == 0 || new.Update.Running() || new.Disabled {
		return false
	}
	from := t.contrast.targets(old)
	to := from
	if new != old {
		to = t.contrast.targets(new)
	}
	target := to.after
	return target.Valid() && target.Equal(from.before) && target.Equal(new.AttemptsFor) && !target.Equal(new.Running) &&
		!precedence.Moved(precedence.OfEntry(new), t.contrast.after, new.AttemptsSince, target) && t.obstacle(new, target, false) == ""
}

// coolingAt are the devices of c's product that actor sees, whose target is v, and that wait
// after a failed attempt at it.
func (s *Service) coolingAt(ctx context.Context, actor fleet.Actor, c *fleet.Catalog, v fleet.Version) (fleet.Cooling, error) {
	t := newSum(c, c, s.ota.MaxAttempts())
	return s.coolingAmong(ctx, actor, c.Product.ID, t, func(e *fleet.IndexEntry) bool {
		return t.contrast.targets(e).after.Equal(v) && t.mayCool(e, e)
	})
}

// coolingAmong are the devices that wait, of those for which may holds.
func (s *Service) coolingAmong(ctx context.Context, actor fleet.Actor, product fleet.ProductID, t *sum, may func(*fleet.IndexEntry) bool) (fleet.Cooling, error) {
	ids, err := s.index.IDs(fleet.DeviceQuery{
		Actor: actor, Product: product, Where: fleet.Where{Holds: may, Splits: t.contrast.splits()}, Limit: maxCooling + 1,
	})
	if err != nil {
		return fleet.Cooling{}, err
	}
	return s.cooling(ctx, ids)
}

// cooling are those of ids that wait. It looks at the first maxCooling.
func (s *Service) cooling(ctx context.Context, ids []fleet.DeviceID) (c fleet.Cooling, err error) {
	var mu sync.Mutex
	var reads sync.WaitGroup
	c.AtLeast = len(ids) > maxCooling
	for _, id := range ids[:min(len(ids), maxCooling)] {
		reads.Go(func() { // they share round trips
			d, failed := s.devices.Device(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			switch wait := s.ota.CoolDown(&d); {
			case errors.Is(failed, fleet.NotFound):
			case failed != nil:
				err = failed
			case wait > 0:
				c.Note(fleet.CoolingOne{Device: id, Until: s.ota.Now().Add(wait)})
			}
		})
	}
	reads.Wait()
	return c, err
}
