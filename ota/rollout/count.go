package rollout

import (
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/precedence"
)

// count counts the devices of c's product that actor sees by what r, one of c's releases under
// way, did with them. Lost devices are among Updating[Applying]. Errors: fleet.Unavailable
// until the index is built.
func (s *Service) count(actor fleet.Actor, c *fleet.Catalog, r *fleet.Release) (fleet.ReleaseCounts, error) {
	n := fleet.ReleaseCounts{Updating: make(map[fleet.UpdateState]int), Waiting: make(map[string]int)}
	reaches := precedence.Reaches(c, r)
	now := s.now()
	err := s.index.Count(actor, c.Product.ID, c.Splits(), func(e *fleet.IndexEntry, devices int) {
		facts := precedence.OfEntry(e)
		target, reason, winner := precedence.Decide(facts, c)
		given := precedence.Staged(facts, c, target, reason, winner) == r.ID
		runs := e.Running.Equal(r.Version)
		if given {
			n.Targets += devices
		}
		if reaches(facts) {
			n.Reach += devices
		}
		if given && runs {
			n.Running += devices
		}
		updated := runs || e.Release == r.ID && e.Update == fleet.Confirmed && e.Running.Equal(e.UpdateTo) // also to a stepping stone
		if updated && target.Valid() && !target.Equal(r.Version) && !target.Equal(e.Running) && !e.Disabled && (r.Group == 0 || slices.Contains(e.Groups, r.Group)) {
			n.Return += devices
		}
		switch part, cause := s.part(c, r, e, given, now); part {
		case fleet.PartConfirmed:
			n.Confirmed += devices
		case fleet.PartFailed:
			n.Failed += devices
		case fleet.PartUpdating:
			n.Updating[e.Update] += devices
		case fleet.PartWaiting:
			n.Waiting[cause] += devices
		}
	})
	return n, err
}

// part is what r did with a device, to which it gives its version now if given is set, and the
// cause of waiting; "" for devices that ran the version already, and for those that r does not
// concern.
func (s *Service) part(c *fleet.Catalog, r *fleet.Release, e *fleet.IndexEntry, given bool, now time.Time) (part fleet.ReleasePart, cause string) {
	runs := e.Running.Equal(r.Version)
	switch by := e.Release == r.ID; {
	case by && runs && e.Update == fleet.Confirmed:
		return fleet.PartConfirmed, ""
	case by && precedence.Failed(e, r.Version):
		return fleet.PartFailed, "" // also while it tries again
	case by && e.Update.Running() && !runs:
		return fleet.PartUpdating, ""
	case given && !runs:
		return fleet.PartWaiting, s.cause(c, r, e, now)
	}
	return "", ""
}

// waitsForRoom are the causes of devices that could begin.
var waitsForRoom = map[string]bool{
	precedence.CauseHandshake: true, precedence.LimitAtOnce: true, precedence.LimitHourly: true, precedence.LimitGroup: true, precedence.LimitGateway: true, precedence.LimitUnknown: true,
}

// cause is why nothing happens to a device that should update.
func (s *Service) cause(c *fleet.Catalog, r *fleet.Release, e *fleet.IndexEntry, now time.Time) string {
	d := precedence.CandidateFor(e, c, r.Version)
	d.By(r)
	d.MaxAttempts, d.Now = s.maxAttempts, now
	d.Room = func() precedence.Full {
		return s.pace.Look(pace.Key{Product: c.Product.ID, Release: r.ID}, r.Plan.Limits, pace.DevicesOf(e), now)
	}
	return d.Cause(e)
}

// absences records since when devices have been restarting into a release's version, by the
// clock of this process, which does not jump. After a restart of the process they have their
// full time again.
type absences map[fleet.DeviceID]time.Time

// lost returns those of the devices that have been restarting for longer than allowed, and
// forgets the ones that have returned.
func (a absences) lost(devices []fleet.DeviceID, allowed time.Duration, now time.Time) (lost []fleet.DeviceID) {
	restarting := make(map[fleet.DeviceID]bool, len(devices))
	for _, id := range devices {
		restarting[id] = true
		since, known := a[id]
		if !known {
			since, a[id] = now, now
		}
		if now.Sub(since) >= allowed {
			lost = append(lost, id)
		}
	}
	for id := range a {
		if !restarting[id] {
			delete(a, id)
		}
	}
	return lost
}

// restarting returns the devices that restart into r's version, or a stepping stone to it, and have
// not failed before.
func (s *Service) restarting(c *fleet.Catalog, r *fleet.Release) (devices []fleet.DeviceID, err error) {
	ids, err := s.index.IDs(fleet.DeviceQuery{
		Actor: everyone(c), Product: c.Product.ID, Updates: []fleet.UpdateState{fleet.Applying}, UpdateTo: r.Version, // or to a stepping stone
	})
	for _, id := range ids {
		e, err := s.index.Entry(id)
		if err == nil && e.Release == r.ID && e.Update == fleet.Applying && !precedence.Failed(&e, r.Version) {
			devices = append(devices, id)
		}
	}
	return devices, err
}

// everyone is who sees all devices of c's product.
func everyone(c *fleet.Catalog) fleet.Actor {
	return fleet.Actor{Team: c.Product.Team, Role: fleet.Owner}
}
