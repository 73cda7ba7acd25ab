package fleet

import (
	"slices"
	"time"
)

// Group is a named subset of a team's devices.
type Group struct {
	ID          GroupID
	Team        TeamID
	Product     ProductID // 0: takes any device of the team
	Name        string    // unique in the team, without regard to case
	Description string
	Color       string // "#rrggbb"
	Created     time.Time
}

// SortGroups sorts ids in place and returns them without duplicates, nil if there are none.
func SortGroups(ids []GroupID) []GroupID {
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// GroupsByName finds groups by their names: as written or, if there is none, without regard to
// case and to how accented letters are composed.
type GroupsByName struct{ exact, folded map[string]Group }

// NewGroupsByName returns an index of groups.
func NewGroupsByName(groups []Group) GroupsByName {
	x := GroupsByName{make(map[string]Group, len(groups)), make(map[string]Group, len(groups))}
	for _, g := range groups {
		x.exact[g.Name], x.folded[GroupKey(g.Name)] = g, g
	}
	return x
}

// Find returns the group with this name, and whether there is one.
func (x GroupsByName) Find(name string) (Group, bool) {
	if g, ok := x.exact[name]; ok {
		return g, true
	}
	g, ok := x.folded[GroupKey(name)]
	return g, ok
}

// FindGroups returns the ids of the groups with these names, sorted. It returns Invalid
// if one is missing.
func FindGroups(groups []Group, names []string) ([]GroupID, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var ids []GroupID
	byName := NewGroupsByName(groups)
	for _, name := range names {
		g, ok := byName.Find(name)
		if !ok {
			return nil, FieldErrorf("groups", "no such group: %.80s; create it first", name)
		}
		ids = append(ids, g.ID)
	}
	return SortGroups(ids), nil
}
