package registry

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// GroupNames are the names of the groups of a product and of the team's own, as far as
// the actor sees them; product 0: all of the team's.
func (r *Registry) GroupNames(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (map[fleet.GroupID]string, error) {
	groups, err := r.visibleGroups(ctx, actor, product)
	names := make(map[fleet.GroupID]string, len(groups))
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	return names, err
}

func (r *Registry) visibleGroups(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.Group, error) {
	if err := may(actor, fleet.SeeTeam); err != nil {
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

// Groups are the groups of a product and of the team's own, by name, with their release
// in the product and the number of members the actor sees.
func (r *Registry) Groups(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.GroupView, error) {
	groups, err := r.visibleGroups(ctx, actor, product)
	if err != nil {
		return nil, err
	}
	return r.groupViews(ctx, actor, product, groups)
}

// Group is one of them.
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
	for _, g := range groups {
		if g.Name == name {
			return g, nil
		}
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
	err := r.index.Count(actor, product, func(e *fleet.IndexEntry, devices int) {
		for _, g := range e.Groups {
			if i, ok := at[g]; ok {
				views[i].Devices += devices
			}
		}
	})
	return views, err
}

// CreateGroup makes a group in the actor's team: of g.Product, or of the team when that
// is 0. It returns fleet.Conflict when the name is taken in the team.
func (r *Registry) CreateGroup(ctx context.Context, actor fleet.Actor, g fleet.Group) (fleet.GroupView, error) {
	if g.Product != 0 {
		if _, err := r.catalog(ctx, actor, g.Product); err != nil {
			return fleet.GroupView{}, err
		}
	}
	if err := may(actor, fleet.AssignGroups); err != nil {
		return fleet.GroupView{}, err
	}
	g, err := r.createGroup(ctx, actor, g)
	return fleet.GroupView{Group: g}, err
}

// createGroup is CreateGroup for who may.
func (r *Registry) createGroup(ctx context.Context, actor fleet.Actor, g fleet.Group) (fleet.Group, error) {
	g.Team, g.Created = actor.Team, time.Now().UTC()
	if g.Color == "" {
		g.Color = colorOf(g.Name)
	}
	if err := checkGroup(g); err != nil {
		return fleet.Group{}, err
	}
	g, err := r.teams.CreateGroup(ctx, g)
	if err != nil {
		return fleet.Group{}, err
	}
	r.audit.Record(ctx, actor, "group.create", g.Name, nil, groupFields(g))
	r.announceGroup(g, fleet.GroupCreated)
	return g, nil
}

// EditGroup renames, describes or colours a group. Members, users and releases stay. It
// returns fleet.Conflict when the new name is taken, or edit.If is not the group's tag.
func (r *Registry) EditGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string, edit fleet.GroupEdit) (fleet.GroupView, error) {
	before, err := r.group(ctx, actor, product, name)
	if err != nil {
		return fleet.GroupView{}, err
	}
	if err := may(actor, fleet.AssignGroups); err != nil {
		return fleet.GroupView{}, err
	}
	g, err := r.teams.EditGroup(ctx, actor.Team, before.ID, func(g *fleet.Group) error {
		if err := fleet.Unchanged("group "+g.Name, edit.If, g.Tag()); err != nil {
			return err
		}
		before = *g
		set(&g.Name, edit.Name)
		set(&g.Description, edit.Description)
		set(&g.Color, edit.Color)
		return checkGroup(*g)
	})
	if err != nil {
		return fleet.GroupView{}, err
	}
	r.audit.Record(ctx, actor, "group.update", g.Name, groupFields(before), groupFields(g))
	r.announceGroup(g, fleet.GroupUpdated)
	return r.groupView(ctx, actor, product, g)
}

// DeleteGroup takes devices and users out of a group and ends its releases. Its devices
// fall to the next rule, those with a running download at once. It goes on when ctx ends:
// half of it would leave devices in a group nobody can name.
func (r *Registry) DeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) error {
	g, err := r.mayDeleteGroup(ctx, actor, product, name)
	if err != nil {
		return err
	}
	downloading, err := r.index.IDs(fleet.DeviceQuery{
		Actor: actor, Product: g.Product, Groups: []fleet.GroupID{g.ID},
		Updates: []fleet.UpdateState{fleet.Offered, fleet.Downloading, fleet.Stored, fleet.Applying},
	})
	if err != nil {
		return err
	}
	if err := r.teams.DeleteGroup(context.WithoutCancel(ctx), actor.Team, g.ID); err != nil {
		return err
	}
	r.audit.Record(ctx, actor, "group.delete", g.Name, groupFields(g), nil)
	r.announceGroup(g, fleet.GroupDeleted)
	r.live.Recheck(downloading...)
	return nil
}

func (r *Registry) mayDeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.Group, error) {
	g, err := r.group(ctx, actor, product, name)
	if err != nil {
		return g, err
	}
	return g, may(actor, fleet.AssignGroups)
}

// existing finds groups of a team by name; each must exist.
func (r *Registry) existing(ctx context.Context, team fleet.TeamID, names []string) ([]fleet.GroupID, error) {
	groups, err := r.teams.Groups(ctx, team)
	if err != nil {
		return nil, err
	}
	var ids []fleet.GroupID
	for _, name := range names {
		i := slices.IndexFunc(groups, func(g fleet.Group) bool { return g.Name == name })
		if i < 0 {
			return nil, fleet.FieldErrorf("groups", "no such group: %.80s; create it first", name)
		}
		ids = append(ids, groups[i].ID)
	}
	return fleet.SortGroups(ids), nil
}

// fitting finds groups by name for devices of product. A group of another product is
// refused; a missing one is made, in the scope given, where create says so.
func (r *Registry) fitting(ctx context.Context, actor fleet.Actor, product, scope fleet.ProductID, names []string, create bool) ([]fleet.GroupID, error) {
	for _, name := range names {
		if _, err := fleet.ParseGroupName(name); err != nil {
			return nil, fleet.FieldErrorf("groups", "%s", err)
		}
	}
	groups, err := r.teams.Groups(ctx, actor.Team)
	if err != nil {
		return nil, err
	}
	var missing []fleet.Group
	var ids []fleet.GroupID
	for _, name := range names {
		i := slices.IndexFunc(groups, func(g fleet.Group) bool { return g.Name == name })
		switch {
		case i < 0 && !create:
			return nil, fleet.FieldErrorf("groups", "no such group: %.80s; create it first", name)
		case i < 0:
			missing = append(missing, fleet.Group{Product: scope, Name: name, Color: colorOf(name), Created: time.Now().UTC()})
		case groups[i].Product != 0 && groups[i].Product != product:
			return nil, fleet.FieldErrorf("groups", "group %.80s belongs to another product", name)
		default:
			ids = append(ids, groups[i].ID)
		}
	}
	if len(missing) == 0 {
		return fleet.SortGroups(ids), nil
	}
	made, err := r.teams.EnsureGroups(ctx, actor.Team, missing)
	for i, g := range made {
		ids = append(ids, g.ID)
		r.audit.Record(ctx, actor, "group.create", missing[i].Name, nil, groupFields(g))
		r.announceGroup(g, fleet.GroupCreated)
	}
	return fleet.SortGroups(ids), err
}

var colorForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func checkGroup(g fleet.Group) error {
	if _, err := fleet.ParseGroupName(g.Name); err != nil {
		return fleet.FieldErrorf("name", "%s", err)
	}
	if !colorForm.MatchString(g.Color) {
		return fleet.FieldErrorf("color", "color %.20q: use the form #2f6fde", g.Color)
	}
	return fleet.CheckText("description", g.Description, maxNotes)
}

// colorOf gives a group without a colour one that stays the same for its name.
func colorOf(name string) string {
	colors := [...]string{"#2f6fde", "#1f9d57", "#c2571a", "#8b46c9", "#b83280", "#0f8a8a", "#a38200", "#c53030"}
	sum := 0
	for _, c := range []byte(name) {
		sum = sum*31 + int(c)
	}
	return colors[uint(sum)%uint(len(colors))]
}

func groupFields(g fleet.Group) audit.Fields {
	return audit.Fields{"name": g.Name, "description": g.Description, "color": g.Color, "product_id": g.Product}
}
