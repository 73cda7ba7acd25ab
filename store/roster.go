package store

import (
	"maps"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/record"
)

// roster is a team with everything that its rules of uniqueness span: one document, so that a
// change of any of it is one compare-and-set.
type roster struct {
	revision uint64
	team     fleet.Team
	members  map[fleet.UserID]fleet.Member
	groups   map[fleet.GroupID]fleet.Group
	products map[fleet.ProductID]bool
	invited  map[string]fleet.Invitation // by id
	leaving  map[fleet.GroupID]bool      // groups being deleted: no longer visible, devices still to be cleared
}

// rosterKind has the fields "team", "m:<user>", "g:<group>", "p:<product>", "i:<invitation>",
// "x:<group>".
var rosterKind = document.Kind[roster]{
	Name: "team",
	Clone: func(r *roster) *roster {
		return &roster{
			revision: r.revision, team: r.team,
			members: copied(r.members), groups: copied(r.groups), products: copied(r.products),
			invited: copied(r.invited), leaving: copied(r.leaving),
		}
	},
	Fields: func(h *document.Hash, r *roster) {
		document.One(h, "team", record.Team, &r.team)
		document.Numbered(h, "m:", record.Member, r.members)
		document.Numbered(h, "g:", record.Group, r.groups)
		document.Numbered(h, "p:", document.Present{}, r.products)
		document.Named(h, "i:", record.Invitation, r.invited)
		document.Numbered(h, "x:", document.Present{}, r.leaving)
	},
	Revision: func(r *roster) *uint64 { return &r.revision },
}

// copied returns a copy of m, an empty map for nil.
func copied[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// has reports whether m is a member, or another account with their email is.
func (r *roster) has(m fleet.Member) bool {
	for user, other := range r.members {
		if user == m.User || m.Email != "" && other.Email == m.Email {
			return true
		}
	}
	return false
}
