package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

// existingGroups finds the groups with these names, which must take devices of product. It
// leaves out names without a group.
func (r *Registry) existingGroups(ctx context.Context, actor fleet.Actor, product fleet.ProductID, names []string) ([]fleet.GroupID, error) {
	groups, err := r.teams.Groups(ctx, actor.Team)
	if err != nil {
		return nil, err
	}
	existing, _ := partition(groups, names)
	return findFor(groups, product, existing)
}

// ensureGroups finds the groups with these names, which must take devices of product, and
// creates those that are missing in the product scope; scope 0: in the team.
func (r *Registry) ensureGroups(ctx context.Context, actor fleet.Actor, product, scope fleet.ProductID, names []string) ([]fleet.GroupID, error) {
	groups, err := r.teams.Groups(ctx, actor.Team)
	if err != nil {
		return nil, err
	}
	existing, missing := partition(groups, names)
	if err := checkGroupNames(missing); err != nil {
		return nil, err
	}
	ids, err := findFor(groups, product, existing)
	if err != nil || len(missing) == 0 {
		return ids, err
	}
	wanted := make([]fleet.Group, len(missing))
	for i, name := range missing {
		wanted[i] = fleet.Group{Product: scope, Name: name, Color: colorOf(name), Created: time.Now().UTC()}
	}
	created, err := r.teams.EnsureGroups(ctx, actor.Team, wanted)
	for _, g := range created {
		ids = append(ids, g.ID)
		r.audit.RecordIn(ctx, g.Product, actor, "group.create", g.Name, nil, groupFields(g))
		r.announceGroup(g, event.GroupCreated)
	}
	return fleet.SortGroups(ids), err
}

// partition sorts names into those of one of groups and those of none.
func partition(groups []fleet.Group, names []string) (existing, missing []string) {
	byName := fleet.NewGroupsByName(groups)
	for _, name := range names {
		if _, ok := byName.Find(name); ok {
			existing = append(existing, name)
		} else {
			missing = append(missing, name)
		}
	}
	return existing, missing
}

func checkGroupNames(names []string) error {
	for _, name := range names {
		if _, err := fleet.ParseGroupName(name); err != nil {
			return fleet.FieldErrorf("groups", "%s", err)
		}
	}
	return nil
}

// findFor finds those of groups that have these names, which must take devices of product.
func findFor(groups []fleet.Group, product fleet.ProductID, names []string) ([]fleet.GroupID, error) {
	if err := checkGroupNames(names); err != nil {
		return nil, err
	}
	ids, err := fleet.FindGroups(groups, names)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Product != 0 && g.Product != product && slices.Contains(ids, g.ID) {
			return nil, fleet.FieldErrorf("groups", "group %.80s belongs to another product", g.Name)
		}
	}
	return ids, nil
}

// editedGroups returns a new, sorted list of groups with add and without remove.
func editedGroups(groups, add, remove []fleet.GroupID) []fleet.GroupID {
	out := slices.DeleteFunc(slices.Clone(groups), func(g fleet.GroupID) bool { return slices.Contains(remove, g) })
	return fleet.SortGroups(append(out, add...))
}

// leaveDeletedGroups removes devices from those of groups that were deleted while the devices
// were added. A deletion removes the group from its team first and from its devices after
// that: it finds devices that were added before, and this finds those added since.
func (r *Registry) leaveDeletedGroups(ctx context.Context, team fleet.TeamID, groups []fleet.GroupID, devices ...fleet.DeviceID) error {
	if len(groups) == 0 || len(devices) == 0 {
		return nil
	}
	known, err := r.teams.Groups(ctx, team)
	if err != nil {
		return err
	}
	deleted := slices.DeleteFunc(slices.Clone(groups), func(id fleet.GroupID) bool { return hasGroup(known, id) })
	if len(deleted) == 0 {
		return nil
	}
	_, errs := each(devices, func(id fleet.DeviceID) (fleet.Device, error) {
		d, err := r.devices.Edit(ctx, id.In(team), func(d *fleet.Device) error {
			return r.retarget(ctx, d, func(d *fleet.Device) error {
				d.Groups = editedGroups(d.Groups, nil, deleted)
				return nil
			})
		})
		if errors.Is(err, fleet.NotFound) {
			err = nil
		}
		return d, err
	})
	return errors.Join(errs...)
}

func hasGroup(groups []fleet.Group, id fleet.GroupID) bool {
	return slices.ContainsFunc(groups, func(g fleet.Group) bool { return g.ID == id })
}
