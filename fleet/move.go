package fleet

// Move is a change of one release of a product. The moves of a catalog show whether a device's
// target was another one for a while (docs/adr/0012-attempts-end-with-their-target.md).
type Move struct {
	Revision uint64  // of the catalog, with this change
	Group    GroupID // 0: the product default
	From     Version // the release before; zero: none
}

// maxMoves is how many moves a catalog keeps.
const maxMoves = 256

// NoteMoves adds the releases that differ between before and c to the moves of c, which is
// before with changes that are not saved yet.
func (c *Catalog) NoteMoves(before *Catalog) {
	note := func(g GroupID, from, to Version) {
		if from != to && !from.Equal(to) {
			c.Moves = append(c.Moves, Move{Revision: before.Revision + 1, Group: g, From: from})
		}
	}
	for _, g := range before.MovedGroups(c) {
		note(g, before.Groups[g], c.Groups[g])
	}
	note(0, before.Default, c.Default)
	c.Moves = c.Moves[max(len(c.Moves)-maxMoves, 0):]
}
