package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	maxStaged = 16 // releases with a plan of one product at a time
	maxUnder  = 2  // releases with a plan below another
	maxEnded  = 50 // releases with a plan that a catalog remembers
)

// Begin makes r the release at its target and returns it with its id, salt, base and first
// share. What stood there stays as the base; a release with a plan is frozen and stays below r.
// Errors: Conflict when r's version stands there already, or when too many releases are under
// way.
func (c *Catalog) Begin(r Release, now time.Time) (Release, error) {
	if below, staged := c.Staged[r.Group]; staged && below.Below() == 0 && below.First == 0 { // it gives nothing: nothing is lost with it
		c.End(r.Group, ReleaseWithdrawn, "another version was released over it", now)
	}
	standing := c.At(r.Group)
	if standing.Equal(r.Version) {
		return Release{}, Errorf(Conflict, "version %s is released there already: nothing would be staged", r.Version)
	}
	r.ID = c.nextRelease()
	r.Salt = uint64(c.Product.ID)<<32 | uint64(r.ID) // Place mixes it; a preview places as the release will
	r.Base, r.State, r.Created, r.Changed = standing, ReleaseScheduled, now, now
	if !now.Before(r.Plan.Start) {
		r.Enter(0)
	}
	under, staged := c.Staged[r.Group]
	switch {
	case staged && under.depth() >= maxUnder:
		return Release{}, Errorf(Conflict, "%d releases with a plan stand there already, one over the other: finish or take back the newest first", maxUnder+1)
	case !staged && len(c.Staged) >= maxStaged:
		return Release{}, Errorf(Conflict, "%d releases with a plan are under way in this product: finish or take back one first", maxStaged)
	case staged:
		r.Base = under.Base
		under.State, under.Changed, under.Why = ReleaseHalted, now, "release "+r.ID.String()+" stands over it"
		r.Under = &under
	}
	c.stand(r.Group, r.Version)
	c.SetStaged(r)
	return r, nil
}

// Enter makes r run at a stage of its plan. It never shrinks. For a stage of so many devices the
// caller sets Few.
func (r *Release) Enter(stage int) {
	r.State, r.Stage, r.Held = ReleaseRunning, stage, 0
	to := r.Plan.Stages[stage]
	if r.Share = max(r.Share, to.Share); to.Group != 0 {
		r.First = to.Group
	}
}

// depth is how many releases are below r.
func (r *Release) depth() (n int) {
	for at := r.Under; at != nil; at = at.Under {
		n++
	}
	return n
}

// At returns the version that is released at a target, zero for none: what it gives every
// device, or what a release with a plan leads to.
func (c *Catalog) At(target GroupID) Version {
	if target == 0 {
		return c.Default
	}
	return c.Groups[target]
}

// Release returns a release with a plan that is under way, and over which no other stands.
func (c *Catalog) Release(id ReleaseID) (r Release, ok bool) {
	for _, r := range c.Staged {
		if r.ID == id {
			return r, id != 0
		}
	}
	return Release{}, false
}

// SetStaged writes r, which is under way, to the catalog.
func (c *Catalog) SetStaged(r Release) {
	if c.Staged == nil {
		c.Staged = make(map[GroupID]Release)
	}
	c.Staged[r.Group] = r
}

// End ends the release with a plan at a target, if there is one, in state. After ReleaseDone and
// ReleaseReplaced its version stands there alone; otherwise what stood there before it stands
// there again, a release with a plan as halted.
func (c *Catalog) End(target GroupID, state ReleaseState, why string, now time.Time) {
	r, staged := c.Staged[target]
	if !staged {
		return
	}
	delete(c.Staged, target)
	under := r.Under
	r.Under, r.State, r.Why, r.Changed = nil, state, why, now
	if state == ReleaseDone {
		r.Share = Whole
	}
	c.remember(r)
	if state != ReleaseDone && state != ReleaseReplaced {
		c.stand(target, r.Base)
		if under != nil {
			c.stand(target, under.Version)
			under := *under
			under.Why, under.Changed = "release "+r.ID.String()+", which stood over it, was taken back", now
			c.SetStaged(under)
		}
		return
	}
	for ; under != nil; under = under.Under {
		old := *under
		old.Under, old.State, old.Why, old.Changed = nil, ReleaseReplaced, "", now
		c.remember(old)
	}
}

// Withdraw ends what is released at a target. What stood there before a release with a plan
// stands there again.
func (c *Catalog) Withdraw(target GroupID, now time.Time) {
	if _, staged := c.Staged[target]; staged {
		c.End(target, ReleaseWithdrawn, "", now)
		return
	}
	c.stand(target, Version{})
}

// Clear ends everything that is released at a group, which is about to be deleted.
func (c *Catalog) Clear(group GroupID, now time.Time) {
	c.End(group, ReleaseReplaced, "the group was deleted", now)
	c.stand(group, Version{})
}

// Stand releases v at a target without a plan, in place of what stands there.
func (c *Catalog) Stand(target GroupID, v Version, now time.Time) {
	if c.At(target).Equal(v) {
		return
	}
	c.End(target, ReleaseReplaced, "version "+v.String()+" was released in its place", now)
	c.stand(target, v)
}

func (c *Catalog) stand(target GroupID, v Version) {
	switch {
	case target == 0:
		c.Default = v
	case v.IsZero():
		delete(c.Groups, target)
	default:
		if c.Groups == nil {
			c.Groups = make(map[GroupID]Version)
		}
		c.Groups[target] = v
	}
}

// remember adds an ended release, in place of the oldest one when there are many.
func (c *Catalog) remember(r Release) {
	if c.Ended == nil {
		c.Ended = make(map[ReleaseID]Release)
	}
	c.Ended[r.ID] = r
	if len(c.Ended) > maxEnded {
		delete(c.Ended, slices.Min(slices.Collect(maps.Keys(c.Ended))))
	}
}

// nextRelease is above the ids of all releases, also of those that were forgotten: the oldest
// are forgotten first.
func (c *Catalog) nextRelease() ReleaseID {
	last := ReleaseID(0)
	for _, r := range c.Releases() {
		last = max(last, r.ID)
	}
	return last + 1
}

// Releases returns the releases with a plan in the catalog, the newest first: those
// under way, those below them, and those that ended.
func (c *Catalog) Releases() []Release {
	all := make([]Release, 0, len(c.Staged)+len(c.Ended))
	for _, r := range c.Staged {
		for at := &r; at != nil; at = at.Under {
			all = append(all, *at)
		}
	}
	for _, r := range c.Ended {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Release) int { return cmp.Compare(b.ID, a.ID) })
	return all
}

// Split is a border inside the devices of a product: those whose Mix by Salt is below Below get
// something else than the others. It concerns the members of Group, 0: all devices. One with
// Gateways separates BLE devices by their gateway instead, because a limit depends on it.
type Split struct {
	Group    GroupID
	Salt     uint64
	Below    uint64
	Gateways bool
}

// Splits returns the borders that c's releases with a plan draw.
func (c *Catalog) Splits() (splits []Split) {
	gateways := false
	for group, r := range c.Staged {
		if r.Plan.Limits.Behind > 0 && !gateways {
			gateways = true
			splits = append(splits, Split{Gateways: true})
		}
		for at := &r; at != nil; at = at.Under {
			if below := at.Below(); below > 0 && at.Share < Whole {
				splits = append(splits, Split{Group: group, Salt: at.Salt, Below: below})
			}
		}
	}
	return splits
}

// Moved reports whether what is released at a target differs between c and after.
func (c *Catalog) Moved(after *Catalog, target GroupID) bool {
	r, later := c.Staged[target], after.Staged[target]
	return c.At(target) != after.At(target) || r.ID != later.ID || r.Below() != later.Below() || r.First != later.First || r.State != later.State
}

// MovedGroups returns the groups, sorted, whose release differs between c and after.
func (c *Catalog) MovedGroups(after *Catalog) (groups []GroupID) {
	for g := range after.Groups {
		if c.Moved(after, g) {
			groups = append(groups, g)
		}
	}
	for g := range c.Groups {
		if _, stays := after.Groups[g]; !stays {
			groups = append(groups, g)
		}
	}
	return SortGroups(groups)
}
