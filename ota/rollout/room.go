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
	standing := pace.Standing{Groups: make(map[fleet.GroupID]pace.Members), Hourly: hourly(&r.Plan, n.Confirmed)}
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
	if r.Plan.Limits.Behind > 0 {
		var err error
		if standing.Behind, err = s.behind(c); err != nil {
			return err
		}
	}
	s.pace.Set(pace.Key{Product: c.Product.ID, Release: r.ID}, standing, mark, now)
	return nil
}

// hourly is how many devices p's release may begin in an hour after so many were confirmed: the rate grows
// by half with each batch that succeeds, up to the most. A batch is what begins in a minute, but not less than
// the sample. It follows from the counts alone, so it is the same after a restart.
func hourly(p *fleet.ReleasePlan, confirmed int) int {
	rate := p.Limits.Hourly
	for rate < p.Limits.Most {
		batch := max(rate/60, p.Sample, 1)
		if confirmed < batch {
			break
		}
		confirmed -= batch
		rate = min(rate+(rate+1)/2, p.Limits.Most)
	}
	return rate
}

// behind counts the devices that are being updated behind each gateway.
func (s *Service) behind(c *fleet.Catalog) (map[fleet.DeviceID]int, error) {
	ids, err := s.index.IDs(fleet.DeviceQuery{
		Actor: everyone(c), Product: c.Product.ID, Kinds: []fleet.DeviceKind{fleet.BLE},
		Updates: []fleet.UpdateState{fleet.Offered, fleet.Downloading, fleet.Stored, fleet.Applying},
	})
	behind := make(map[fleet.DeviceID]int)
	for _, id := range ids {
		if e, err := s.index.Entry(id); err == nil && e.Gateway != "" && (e.Online || e.Update == fleet.Applying) {
			behind[e.Gateway]++
		}
	}
	return behind, err
}
