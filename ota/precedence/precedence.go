package precedence

import "github.com/muster-iot/muster/fleet"

// Facts is all the rules look at in a device.
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
// says so, and the group that won when that rule is BecauseGroup. The target is zero for
// BecauseDevelopment and BecauseNone. Two groups with the same highest version: the one
// with the lower id wins. It allocates nothing and may be called concurrently.
func Decide(f Facts, c *fleet.Catalog) (target fleet.Version, reason fleet.Reason, winner fleet.GroupID) {
	return decide(f, c, nil)
}

// note is told each rule as it is looked at, in order. Group and version are set where
// the rule has them.
type note func(rule fleet.Reason, outcome outcome, group fleet.GroupID, version fleet.Version)

type outcome uint8

const (
	absent     outcome = iota // the rule says nothing about this device
	applies                   // the rule decides
	passedOver                // it would, but a rule above it, or a higher version, decides
	candidate                 // a group with a release; the winner is told once more as applies
)

// decide is the rules in order. Once a rule has decided, the ones below are only looked
// at for the sake of say.
func decide(f Facts, c *fleet.Catalog, say note) (target fleet.Version, reason fleet.Reason, winner fleet.GroupID) {
	reason = fleet.BecauseNone
	rule := func(this fleet.Reason, holds bool, group fleet.GroupID, version fleet.Version) {
		out := absent
		switch {
		case holds && reason == fleet.BecauseNone:
			target, reason, winner, out = version, this, group, applies
		case holds:
			out = passedOver
		}
		if say != nil {
			say(this, out, group, version)
		}
	}

	rule(fleet.BecauseDevelopment, f.Development, 0, fleet.Version{})
	rule(fleet.BecauseLock, !f.Lock.IsZero(), 0, f.Lock)
	if say == nil && reason != fleet.BecauseNone {
		return target, reason, winner
	}

	var highest fleet.Version
	var group fleet.GroupID
	for _, g := range f.Groups {
		released, ok := c.Groups[g]
		if say != nil {
			out := absent
			if ok {
				out = candidate
			}
			say(fleet.BecauseGroup, out, g, released)
		}
		if ok && released.Compare(highest) > 0 {
			highest, group = released, g
		}
	}
	rule(fleet.BecauseGroup, !highest.IsZero(), group, highest)
	rule(fleet.BecauseDefault, !c.Default.IsZero(), 0, c.Default)
	return target, reason, winner
}
