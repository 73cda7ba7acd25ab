package rollout

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
)

// stand counts what r's limits depend on, for the next second's decisions. lost are devices that
// r updated and that are not counted as out of service any more.
func (s *Service) stand(c *fleet.Catalog, r *fleet.Release, n fleet.ReleaseCounts, lost []fleet.DeviceID, mark uint64, now time.Time) error {
	if r.Plan.Limits == (fleet.ReleaseLimits{}) {
		return nil
	}
	standing := pace.Standing{Groups: make(map[fleet.GroupID]pace.Members)}
	for cause, devices := range n.Waiting {
		if waitsForRoom[cause] {
			standing.Waiting += devices
		}
	}
	// Applying devices restart and are offline; others that are offline do not hold a place.
	count := func(e *fleet.IndexEntry, devices int) {
		busy := e.Update.Running() && e.Online || e.Update == fleet.Applying
		if busy && e.Release == r.ID {
			standing.UnderWay += devices
		}
		if !busy && !e.Online {
			return
		}
		for _, g := range e.Groups {
			m := standing.Groups[g]
			m.Present += devices
			if busy {
				m.Busy += devices
			}
			standing.Groups[g] = m
		}
	}
	if err := s.index.Count(everyone(c), c.Product.ID, nil, count); err != nil {
		return err
	}
	for _, id := range lost {
		if e, err := s.index.Entry(id); err == nil {
			count(&e, -1)
		}
	}
	s.pace.Set(pace.Key{Product: c.Product.ID, Release: r.ID}, standing, mark, now)
	return nil
}
