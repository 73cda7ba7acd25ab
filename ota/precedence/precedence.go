package precedence

import "github.com/muster-iot/muster/fleet"

// Facts is everything the rules look at in a device.
type Facts struct {
	Development bool
	Lock        fleet.Version   // zero: not locked
	Groups      []fleet.GroupID // sorted; never modified here
}

// Of takes the facts from a device's record.
func Of(d *fleet.Device) Facts {
	return Facts{Development: d.Development, Lock: d.Lock, Groups: d.Groups}
}

// OfEntry takes the facts from a device's index entry.
func OfEntry(e *fleet.IndexEntry) Facts {
	return Facts{Development: e.Development, Lock: e.Lock, Groups: e.Groups}
}

// Decide returns the version a device with these facts should run by c, the rule that
// decided, and the group that won when that rule is BecauseGroup. The target is zero for
// BecauseDevelopment and BecauseNone. Two groups with the same highest version: the one
// with the lower id wins. It allocates nothing and may be called concurrently.
func Decide(f Facts, c *fleet.Catalog) (target fleet.Version, reason fleet.Reason, winner fleet.GroupID) {
	return decide(f, c, nil)
}

// note receives each rule as it is looked at, in order. Group and version are set where the
// rule has them. A group with a release is noted as Considered, and the winner once more as
// Applies, or PassedOver where a rule above it decides.
type note func(rule fleet.Reason, outcome Outcome, group fleet.GroupID, version fleet.Version)

// decide is the rules in order. Once a rule has decided, the ones below it are only looked
// at for notes; without noted they are skipped.
func decide(f Facts, c *fleet.Catalog, noted note) (target fleet.Version, reason fleet.Reason, winner fleet.GroupID) {
	reason = fleet.BecauseNone
	rule := func(this fleet.Reason, holds bool, group fleet.GroupID, version fleet.Version) {
		out := None
		switch {
		case holds && reason == fleet.BecauseNone:
			target, reason, winner, out = version, this, group, Applies
		case holds:
			out = PassedOver
		}
		if noted != nil {
			noted(this, out, group, version)
		}
	}

	rule(fleet.BecauseDevelopment, f.Development, 0, fleet.Version{})
	rule(fleet.BecauseLock, !f.Lock.IsZero(), 0, f.Lock)
	if noted == nil && reason != fleet.BecauseNone {
		return target, reason, winner
	}

	var highest fleet.Version
	var group fleet.GroupID
	for _, g := range f.Groups {
		released, ok := c.Groups[g]
		if noted != nil {
			out := None
			if ok {
				out = Considered
			}
			noted(fleet.BecauseGroup, out, g, released)
		}
		if ok && released.Compare(highest) > 0 {
			highest, group = released, g
		}
	}
	rule(fleet.BecauseGroup, !highest.IsZero(), group, highest)
	rule(fleet.BecauseDefault, !c.Default.IsZero(), 0, c.Default)
	return target, reason, winner
}
