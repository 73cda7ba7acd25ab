package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/keys"
)

// haveGroups returns fleet.NotFound unless the team has all groups of ids.
func (r *roster) haveGroups(ids []fleet.GroupID) error {
	for _, id := range ids {
		if _, ok := r.groups[id]; !ok {
			return fleet.Errorf(fleet.NotFound, "no such group: %s", id)
		}
	}
	return nil
}

// put adds or replaces g; fleet.Conflict when another group of the team has the name.
func (r *roster) put(g fleet.Group) error {
	for id, other := range r.groups {
		if id != g.ID && r.groups[g.ID].Name != g.Name && fleet.GroupKey(other.Name) == fleet.GroupKey(g.Name) {
			return &fleet.Error{Kind: fleet.Conflict, Field: "name", Text: "a group named " + other.Name + " exists in the team already"}
		}
	}
	r.groups[g.ID] = g
	return nil
}

// Groups returns the groups of a team, by name.
func (s *Teams) Groups(ctx context.Context, team fleet.TeamID) ([]fleet.Group, error) {
	r, err := s.docs.Live(ctx, team)
	if err != nil {
		return nil, err
	}
	groups := make([]fleet.Group, 0, len(r.groups))
	for _, g := range r.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b fleet.Group) int { return strings.Compare(a.Name, b.Name) })
	return groups, nil
}

// Group returns one group of a team; fleet.NotFound when there is none.
func (s *Teams) Group(ctx context.Context, team fleet.TeamID, id fleet.GroupID) (fleet.Group, error) {
	r, err := s.docs.Live(ctx, team)
	if err != nil {
		return fleet.Group{}, err
	}
	g, ok := r.groups[id]
	if !ok {
		return fleet.Group{}, fleet.Errorf(fleet.NotFound, "no such group: %s", id)
	}
	return g, nil
}

// CreateGroup stores a new group of g.Team and returns it with its id; fleet.Conflict when the
// team has a group with that name.
func (s *Teams) CreateGroup(ctx context.Context, g fleet.Group) (fleet.Group, error) {
	id, err := s.core.claims.Next(ctx, keys.Counter("group"))
	if err != nil {
		return fleet.Group{}, err
	}
	g.ID = fleet.GroupID(id)
	_, err = s.docs.Edit(ctx, g.Team, func(r *roster) error { return r.put(g) })
	if err != nil {
		return fleet.Group{}, err
	}
	return g, nil
}

// EnsureGroups returns the team's groups with the names of wanted, in that order. It creates the
// missing ones like those of wanted, all in one step.
func (s *Teams) EnsureGroups(ctx context.Context, team fleet.TeamID, wanted []fleet.Group) ([]fleet.Group, error) {
	r, err := s.docs.Live(ctx, team)
	if err != nil {
		return nil, err
	}
	if groups, missing := r.named(wanted); missing == 0 {
		return groups, nil
	}
	wanted = slices.Clone(wanted)
	for i := range wanted {
		id, err := s.core.claims.Next(ctx, keys.Counter("group"))
		if err != nil {
			return nil, err
		}
		wanted[i].ID, wanted[i].Team = fleet.GroupID(id), team
	}
	r, err = s.docs.Edit(ctx, team, func(r *roster) error {
		for _, g := range wanted {
			if !r.hasName(g.Name) {
				r.groups[g.ID] = g
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	groups, _ := r.named(wanted)
	return groups, nil
}

func (r *roster) hasName(name string) bool {
	_, missing := r.named([]fleet.Group{{Name: name}})
	return missing == 0
}

// named returns the groups with the names of wanted and counts the missing ones.
func (r *roster) named(wanted []fleet.Group) (groups []fleet.Group, missing int) {
	byName := fleet.NewGroupsByName(slices.Collect(maps.Values(r.groups)))
	for _, w := range wanted {
		g, ok := byName.Find(w.Name)
		if !ok {
			missing++
			continue
		}
		groups = append(groups, g)
	}
	return groups, missing
}

// EditGroup changes a group and returns what was written; fleet.Conflict when another group of
// the team has the new name. change may run several times.
func (s *Teams) EditGroup(ctx context.Context, team fleet.TeamID, id fleet.GroupID, change func(*fleet.Group) error) (fleet.Group, error) {
	var edited fleet.Group
	_, err := s.docs.Edit(ctx, team, func(r *roster) error {
		g, ok := r.groups[id]
		if !ok {
			return fleet.Errorf(fleet.NotFound, "no such group: %s", id)
		}
		if err := change(&g); err != nil {
			return err
		}
		edited = g
		return r.put(g)
	})
	return edited, err
}

// DeleteGroup removes a group from the team, its members and its invitations at once, then from
// catalogs and devices. If a crash or an outage comes in between, the rest is done at the next
// start, or when Redis is back: the error is ErrUnfinished then. It returns index.ErrNotReady
// until the index is ready.
func (s *Teams) DeleteGroup(ctx context.Context, team fleet.TeamID, id fleet.GroupID) error {
	if !s.store.Index.Ready() {
		return index.ErrNotReady
	}
	_, err := s.docs.Edit(ctx, team, func(r *roster) error {
		if _, ok := r.groups[id]; !ok {
			return fleet.Errorf(fleet.NotFound, "no such group: %s", id)
		}
		delete(r.groups, id)
		r.leaving[id] = true
		for user, m := range r.members {
			m.Groups = without(m.Groups, id)
			r.members[user] = m
		}
		for at, i := range r.invited {
			i.Groups = without(i.Groups, id)
			r.invited[at] = i
		}
		return nil
	})
	if err != nil {
		if errors.Is(err, fleet.Unavailable) {
			s.core.recovery.interrupted() // it may have been written
		}
		return err
	}
	if err := s.clearGroup(ctx, team, id); err != nil {
		s.core.recovery.interrupted()
		return fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return nil
}

// ErrUnfinished means that a group is deleted, but not yet removed from all of its devices.
var ErrUnfinished = fleet.Errorf(fleet.Unavailable, "the group is deleted; it is removed from the rest of its devices as soon as the store answers")

// clearGroup removes a group that is leaving from catalogs and devices, and then from the team.
func (s *Teams) clearGroup(ctx context.Context, team fleet.TeamID, id fleet.GroupID) error {
	r, err := s.docs.Get(ctx, team)
	if err != nil {
		return err
	}
	for product := range r.products {
		c, err := s.store.Catalogs.Catalog(ctx, product)
		if err == nil && !c.Groups[id].IsZero() {
			_, err = s.store.Catalogs.EditCatalog(ctx, product, func(c *fleet.Catalog) error {
				c.Clear(id, time.Now())
				return nil
			})
		}
		if err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	for some := range slices.Chunk(s.store.Index.Members(team, id), maxCleared) { // a device added later is cleared by whoever added it
		if err := s.clearDevices(ctx, some, id); err != nil {
			return err
		}
	}
	_, err = s.docs.Edit(ctx, team, func(r *roster) error {
		delete(r.leaving, id)
		return nil
	})
	return err
}

// maxCleared is how many devices are cleared at the same time, in few shared trips.
const maxCleared = 100

// clearDevices removes a group from devices. A device without a record is removed from the index.
func (s *Teams) clearDevices(ctx context.Context, devices []index.Shown, id fleet.GroupID) error {
	failed := make(chan error, len(devices))
	var all sync.WaitGroup
	for _, device := range devices {
		all.Go(func() {
			_, err := s.store.Devices.Edit(ctx, device.ID, func(d *fleet.Device) error {
				d.Groups = without(d.Groups, id)
				return nil
			})
			if errors.Is(err, fleet.NotFound) {
				s.store.Index.Forget(device)
			} else if err != nil {
				failed <- err
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed // the first, nil if there is none
}

// resume finishes deletions of groups that a crash or an outage interrupted, and reports whether
// it could. The index must be ready.
func (s *Teams) resume(ctx context.Context) (done bool) {
	teams, err := s.AllTeams(ctx)
	for _, team := range teams {
		ids, failed := s.leftovers(ctx, team)
		for _, id := range ids {
			failed = errors.Join(failed, s.clearGroup(ctx, team, id))
		}
		err = errors.Join(err, failed)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, fleet.Unavailable) { // an outage has its own line
		s.core.log.Warn("deleted groups may be left on devices: the next start tries again", "err", err)
	}
	return err == nil
}

// leftovers returns the groups that a team no longer has but that devices may be in: their
// deletion was interrupted, or a device was added while they were deleted.
func (s *Teams) leftovers(ctx context.Context, team fleet.TeamID) (ids []fleet.GroupID, err error) {
	used := map[fleet.GroupID]bool{}
	err = s.store.Index.Count(fleet.Actor{Team: team, Role: fleet.Owner}, 0, nil, func(e *fleet.IndexEntry, _ int) {
		for _, id := range e.Groups {
			used[id] = true
		}
	})
	if err != nil {
		return nil, err
	}
	r, err := s.docs.Live(ctx, team) // after the devices: a group exists before they are in it
	if err != nil {
		return nil, err
	}
	maps.Copy(used, r.leaving)
	for id := range used {
		if _, known := r.groups[id]; !known {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// without returns ids except id, in a new slice.
func without(ids []fleet.GroupID, id fleet.GroupID) []fleet.GroupID {
	var rest []fleet.GroupID
	for _, other := range ids {
		if other != id {
			rest = append(rest, other)
		}
	}
	return rest
}
