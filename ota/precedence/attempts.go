package precedence

import (
	"maps"

	"github.com/muster-iot/muster/fleet"
)

// Renew forgets the attempts at d's target, an operator's stop included, if that target has
// changed since: if it is another one by c, or was another one in between, whether or not d sent
// a Hello then (docs/rules.md, "When it happens", 8).
func Renew(d *fleet.Device, c *fleet.Catalog) {
	target, _, _ := Decide(Of(d), c)
	switch a := &d.Attempts; {
	case target.IsZero():
		*a = fleet.Attempts{}
	case !a.Target.Equal(target) || Moved(Of(d), c, a.Since, target):
		*a = fleet.Attempts{Target: target, Since: c.Revision}
	}
}

// Moved reports whether a device with these facts had another target than this one after
// revision since of c. It looks at the moves that c keeps; what happened before them is taken as
// no change.
func Moved(f Facts, c *fleet.Catalog, since uint64, target fleet.Version) bool {
	if len(c.Moves) == 0 || since >= c.Moves[len(c.Moves)-1].Revision {
		return false
	}
	past := fleet.Catalog{Default: c.Default, Groups: make(map[fleet.GroupID]fleet.Version, len(c.Groups)), Staged: maps.Clone(c.Staged)}
	maps.Copy(past.Groups, c.Groups)
	for i := len(c.Moves) - 1; i >= 0 && c.Moves[i].Revision > since; i-- {
		undo(&past, c.Moves[i])
		if i > 0 && c.Moves[i-1].Revision == c.Moves[i].Revision {
			continue // they were made together
		}
		if before, _, _ := Decide(f, &past); !before.Equal(target) {
			return true
		}
	}
	return false
}

// undo takes m back in c. A release with a plan that m brought goes with it; one that m ended is
// not known any more, and counts as a release of its version to everyone.
func undo(c *fleet.Catalog, m fleet.Move) {
	delete(c.Staged, m.Group)
	switch {
	case m.Group == 0:
		c.Default = m.From
	case m.From.IsZero():
		delete(c.Groups, m.Group)
	default:
		c.Groups[m.Group] = m.From
	}
}
