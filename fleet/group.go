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
	Name        string    // unique in the team
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

// FindGroups returns the ids of the groups with these names, sorted. It returns Invalid
// if one is missing.
func FindGroups(groups []Group, names []string) ([]GroupID, error) {
	var ids []GroupID
	for _, name := range names {
		i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == name })
		if i < 0 {
			return nil, FieldErrorf("groups", "no such group: %.80s; create it first", name)
		}
		ids = append(ids, groups[i].ID)
	}
	return SortGroups(ids), nil
}
