package release

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// memoGroups is the largest set of groups whose targets are remembered.
const memoGroups = 4

// contrast runs precedence by two catalogs over many devices: once per set of groups
// instead of once per device, where no release has a plan. It is not safe for concurrent use.
type contrast struct {
	before, after *fleet.Catalog
	staged        bool // devices of one set of groups differ in their targets
	none          pair // of a device without groups
	memo          map[[memoGroups]fleet.GroupID]*pair
}

// pair is what the two catalogs give to the members of a set of groups.
type pair struct {
	before, after fleet.Version
}

func newContrast(before, after *fleet.Catalog) *contrast {
	c := &contrast{before: before, after: after, memo: make(map[[memoGroups]fleet.GroupID]*pair)}
	c.staged = len(before.Staged)+len(after.Staged) > 0
	c.none = c.decide(precedence.Facts{})
	return c
}

// splits are the borders inside sets of groups that both catalogs draw.
func (c *contrast) splits() []fleet.Split {
	splits := c.before.Splits()
	for _, split := range c.after.Splits() {
		if !slices.Contains(splits, split) {
			splits = append(splits, split)
		}
	}
	return splits
}

func (c *contrast) decide(f precedence.Facts) (p pair) {
	p.before, _, _ = precedence.Decide(f, c.before)
	p.after, _, _ = precedence.Decide(f, c.after)
	return p
}

// targets are what the device of e should run.
func (c *contrast) targets(e *fleet.IndexEntry) *pair {
	if e.Development || !e.Lock.IsZero() {
		p := c.decide(precedence.OfEntry(e))
		return &p
	}
	return c.released(e)
}

// released is what releases alone give to the device of e.
func (c *contrast) released(e *fleet.IndexEntry) *pair {
	groups := e.Groups
	if c.staged {
		p := c.decide(precedence.Facts{ID: e.ID, Running: e.Running, Groups: groups})
		return &p
	}
	if len(groups) == 0 {
		return &c.none
	}
	if len(groups) > memoGroups {
		p := c.decide(precedence.Facts{Groups: groups})
		return &p
	}
	var key [memoGroups]fleet.GroupID
	copy(key[:], groups)
	p := c.memo[key]
	if p == nil {
		decided := c.decide(precedence.Facts{Groups: groups})
		p = &decided
		c.memo[key] = p
	}
	return p
}
