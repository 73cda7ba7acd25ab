package precedence

import (
	"maps"

	"github.com/muster-iot/muster/fleet"
)

// Facts is everything the rules look at in a device.
type Facts struct {
	ID          fleet.DeviceID // places the device in releases with a plan
	Running     fleet.Version
	Development bool
	Lock        fleet.Version   // zero: not locked
	Groups      []fleet.GroupID // sorted; never modified here
}

// Of takes the facts from a device's record.
func Of(d *fleet.Device) Facts {
	return Facts{ID: d.ID, Running: d.Running, Development: d.Development, Lock: d.Lock, Groups: d.Groups}
}

// OfEntry takes the facts from a device's index entry.
func OfEntry(e *fleet.IndexEntry) Facts {
	return Facts{ID: e.ID, Running: e.Running, Development: e.Development, Lock: e.Lock, Groups: e.Groups}
}

// Decide returns the version a device with these facts should run by c, the rule that
// decided, and the group that won when that rule is BecauseGroup. The target is zero for
// BecauseDevelopment and BecauseNone. Two groups with the same highest version: the one
// with the lower id wins. What a release with a plan gives is fleet.Release.For. It allocates
// nothing and may be called concurrently.
func Decide(f Facts, c *fleet.Catalog) (target fleet.Version, reason fleet.Reason, winner fleet.GroupID) {
	return decide(f, c, nil)
}

// Staged returns the release with a plan that gave the device with these facts its target; 0:
// none did. The other arguments are what Decide returned.
func Staged(f Facts, c *fleet.Catalog, target fleet.Version, reason fleet.Reason, winner fleet.GroupID) fleet.ReleaseID {
	if len(c.Staged) == 0 || reason != fleet.BecauseGroup && reason != fleet.BecauseDefault {
		return 0
	}
	r, ok := c.Staged[winner] // 0 for the default
	if !ok || !target.Equal(r.Version) || !r.Includes(f.ID.Hash(), f.Groups) {
		return 0
	}
	return r.ID
}

// note receives each rule as it is looked at, in order. Group and version are set where the
// rule has them, staged where a release with a plan gives that version, or none. A group with a
// release is noted as Considered, and the winner once more as Applies, or PassedOver where a
// rule above it decides.
type note func(rule fleet.Reason, outcome Outcome, group fleet.GroupID, version fleet.Version, staged Staging)

// decide is the rules in order. Once a rule has decided, the ones below it are only looked
// at for notes; without noted they are skipped.
func decide(f Facts, c *fleet.Catalog, noted note) (target fleet.Version, reason fleet.Reason, winner fleet.GroupID) {
	reason = fleet.BecauseNone
	rule := func(this fleet.Reason, holds bool, group fleet.GroupID, version fleet.Version, staged Staging) {
		out := None
		switch {
		case holds && reason == fleet.BecauseNone:
			target, reason, winner, out = version, this, group, Applies
		case holds:
			out = PassedOver
		}
		if noted != nil {
			noted(this, out, group, version, staged)
		}
	}
	rule(fleet.BecauseDevelopment, f.Development, 0, fleet.Version{}, Staging{})
	rule(fleet.BecauseLock, !f.Lock.IsZero(), 0, f.Lock, Staging{})
	if noted == nil && reason != fleet.BecauseNone {
		return target, reason, winner
	}
	var highest fleet.Version
	var group fleet.GroupID
	for _, g := range f.Groups {
		released, ok := c.Groups[g]
		var staged Staging
		if ok && len(c.Staged) > 0 {
			released, staged = given(&f, c, g, released)
			ok = !released.IsZero()
		}
		if noted != nil {
			out := None
			if ok {
				out = Considered
			}
			noted(fleet.BecauseGroup, out, g, released, staged)
		}
		if ok && released.Compare(highest) > 0 {
			highest, group = released, g
		}
	}
	rule(fleet.BecauseGroup, !highest.IsZero(), group, highest, Staging{})
	if noted == nil && reason != fleet.BecauseNone {
		return target, reason, winner
	}
	released, staged := c.Default, Staging{}
	if len(c.Staged) > 0 {
		released, staged = given(&f, c, 0, released)
	}
	rule(fleet.BecauseDefault, !released.IsZero(), 0, released, staged)
	return target, reason, winner
}

// given is what a target, at which version is released, gives a device.
func given(f *Facts, c *fleet.Catalog, target fleet.GroupID, version fleet.Version) (fleet.Version, Staging) {
	r, ok := c.Staged[target]
	if !ok {
		return version, Staging{}
	}
	hash := f.ID.Hash()
	s := Staging{Release: r.ID, Version: r.Version, State: r.State, Share: r.Share, Place: r.Place(hash), Inside: r.Includes(hash, f.Groups)}
	if stage := &r.Plan.Stages[r.Stage]; r.Few > 0 {
		s.Devices = stage.Devices
	}
	s.First = r.First != 0 && r.Share == 0
	gives := r.For(hash, f.Groups, f.Running)
	if r.State == fleet.ReleaseHalted && s.Inside && !gives.Equal(r.Version) && onTheWay(c, &r, f.Running) {
		gives = f.Running // no further update, also not back
	}
	return gives, s
}

// onTheWay reports whether what a device runs is a stepping stone between r's base and its version.
func onTheWay(c *fleet.Catalog, r *fleet.Release, running fleet.Version) bool {
	released, _ := c.Find(r.Version)
	if _, uploaded := c.Find(running); !uploaded || released.Requires.Has(r.Base) {
		return false
	}
	return running.Compare(r.Base)*running.Compare(r.Version) < 0
}

// Reaches returns whether a device gets its target from r, one of c's releases under way, once r
// reaches all of its devices.
func Reaches(c *fleet.Catalog, r *fleet.Release) func(Facts) bool {
	whole := *c
	whole.Staged = maps.Clone(c.Staged)
	for target, staged := range whole.Staged {
		if staged.ID == r.ID {
			staged.Share, staged.State = fleet.Whole, fleet.ReleaseRunning
			whole.Staged[target] = staged
		}
	}
	return func(f Facts) bool {
		target, reason, winner := Decide(f, &whole)
		return Staged(f, &whole, target, reason, winner) == r.ID
	}
}
