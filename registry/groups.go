package registry

import (
	"context"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// GroupNames returns the names of the groups that devices of product can have, those of the
// product and those of the team, as far as the actor sees them; product 0: of all groups.
func (r *Registry) GroupNames(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (map[fleet.GroupID]string, error) {
	groups, err := r.visibleGroups(ctx, actor, product)
	names := make(map[fleet.GroupID]string, len(groups))
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	return names, err
}

// visibleGroups returns the groups of a product and of the team that the actor sees, by name.
func (r *Registry) visibleGroups(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.Group, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return nil, err
	}
	groups, err := r.teams.Groups(ctx, actor.Team)
	if err != nil {
		return nil, err
	}
	visible := make([]fleet.Group, 0, len(groups))
	for _, g := range groups {
		if product != 0 && g.Product != 0 && g.Product != product {
			continue
		}
		if fleet.May(actor, fleet.SeeGroup, fleet.Object{Team: g.Team, Group: g.ID}) == nil {
			visible = append(visible, g)
		}
	}
	slices.SortFunc(visible, func(a, b fleet.Group) int { return strings.Compare(a.Name, b.Name) })
	return visible, nil
}

// Groups returns the groups of a product and those of the team that the actor sees, by name,
// each with its release in the product and the number of its devices that the actor sees;
// product 0: all groups, without releases.
func (r *Registry) Groups(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.GroupView, error) {
	groups, err := r.visibleGroups(ctx, actor, product)
	if err != nil {
		return nil, err
	}
	return r.groupViews(ctx, actor, product, groups)
}

// Group returns the group with this name, as Groups does.
func (r *Registry) Group(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.GroupView, error) {
	g, err := r.group(ctx, actor, product, name)
	if err != nil {
		return fleet.GroupView{}, err
	}
	return r.groupView(ctx, actor, product, g)
}

func (r *Registry) group(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.Group, error) {
	groups, err := r.visibleGroups(ctx, actor, product)
	if err != nil {
		return fleet.Group{}, err
	}
	if g, ok := fleet.NewGroupsByName(groups).Find(name); ok {
		return g, nil
	}
	return fleet.Group{}, fleet.Errorf(fleet.NotFound, "no such group: %.80s", name)
}

func (r *Registry) groupView(ctx context.Context, actor fleet.Actor, product fleet.ProductID, g fleet.Group) (fleet.GroupView, error) {
	views, err := r.groupViews(ctx, actor, product, []fleet.Group{g})
	if err != nil {
		return fleet.GroupView{}, err
	}
	return views[0], nil
}

func (r *Registry) groupViews(ctx context.Context, actor fleet.Actor, product fleet.ProductID, groups []fleet.Group) ([]fleet.GroupView, error) {
	views := make([]fleet.GroupView, len(groups))
	at := make(map[fleet.GroupID]int, len(groups))
	for i, g := range groups {
		views[i].Group = g
		at[g.ID] = i
	}
	if product != 0 {
		c, err := r.catalog(ctx, actor, product)
		if err != nil {
			return nil, err
		}
		for i := range views {
			views[i].Release = c.Groups[views[i].ID]
		}
	}
	err := r.index.Count(actor, product, nil, func(e *fleet.IndexEntry, devices int) {
		for _, g := range e.Groups {
			if i, ok := at[g]; ok {
				views[i].Devices += devices
			}
		}
	})
	return views, err
}
