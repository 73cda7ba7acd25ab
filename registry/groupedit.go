package registry

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
)

// CreateGroup creates a group in the actor's team: of g.Product, or, if that is 0, of the
// team. It returns fleet.Conflict if the team has a group of that name.
func (r *Registry) CreateGroup(ctx context.Context, actor fleet.Actor, g fleet.Group) (fleet.GroupView, error) {
	if g.Product != 0 {
		if _, err := r.catalog(ctx, actor, g.Product); err != nil {
			return fleet.GroupView{}, err
		}
	}
	if err := actor.May(fleet.AssignGroups); err != nil {
		return fleet.GroupView{}, err
	}
	g.Team, g.Created = actor.Team, time.Now().UTC()
	if g.Color == "" {
		g.Color = colorOf(g.Name)
	}
	if err := checkGroup(g); err != nil {
		return fleet.GroupView{}, err
	}
	g, err := r.teams.CreateGroup(ctx, g)
	if err != nil {
		return fleet.GroupView{}, err
	}
	r.audit.RecordIn(ctx, g.Product, actor, "group.create", g.Name, nil, groupFields(g))
	r.announceGroup(g, event.GroupCreated)
	return fleet.GroupView{Group: g}, nil
}

// EditGroup changes the name, description or color of a group; its devices, users and
// releases stay. It returns fleet.Conflict if another group has the new name, or edit.If is
// not the group's tag.
func (r *Registry) EditGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string, edit fleet.GroupEdit) (fleet.GroupView, error) {
	before, err := r.groupForEdit(ctx, actor, product, name)
	if err != nil {
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
	r.audit.RecordIn(ctx, g.Product, actor, "group.update", g.Name, groupFields(before), groupFields(g))
	r.announceGroup(g, event.GroupUpdated)
	return r.groupView(ctx, actor, product, g)
}

// DeleteGroup deletes a group, removes its devices and users from it and ends its releases.
// Its devices fall to the next precedence rule, those with a running download at once. The
// deletion completes even if ctx ends, because half of it would leave devices in a group
// that has no name. If the store fails in the middle, the error is store.ErrUnfinished and the
// rest follows when it is back.
func (r *Registry) DeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) error {
	g, err := r.groupForEdit(ctx, actor, product, name)
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
	err = r.teams.DeleteGroup(context.WithoutCancel(ctx), actor.Team, g.ID)
	if err != nil && !errors.Is(err, store.ErrUnfinished) {
		return err
	}
	r.audit.RecordIn(ctx, g.Product, actor, "group.delete", g.Name, groupFields(g), nil)
	r.announceGroup(g, event.GroupDeleted)
	r.live.Recheck(downloading...)
	return err
}

// PreviewDeleteGroup returns the impact that DeleteGroup would have, over all products with
// devices in the group, if the actor may call it.
func (r *Registry) PreviewDeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.Impact, error) {
	g, err := r.groupForEdit(ctx, actor, product, name)
	if err != nil {
		return fleet.Impact{}, err
	}
	products := map[fleet.ProductID]bool{}
	err = r.index.Count(actor, g.Product, nil, func(e *fleet.IndexEntry, _ int) {
		if slices.Contains(e.Groups, g.ID) {
			products[e.Product] = true
		}
	})
	if err != nil {
		return fleet.Impact{}, err
	}
	var sum fleet.Impact
	for _, of := range slices.Sorted(maps.Keys(products)) {
		impact, err := r.forecast.Preview(ctx, actor, of, nil, func(e *fleet.IndexEntry) {
			e.Groups = editedGroups(e.Groups, nil, []fleet.GroupID{g.ID})
		})
		if err != nil {
			return fleet.Impact{}, err
		}
		sum.Add(impact)
	}
	return sum, nil
}

// groupForEdit finds a group that the actor sees and may edit.
func (r *Registry) groupForEdit(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.Group, error) {
	g, err := r.group(ctx, actor, product, name)
	if err != nil {
		return g, err
	}
	return g, actor.May(fleet.AssignGroups)
}

var colorForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func checkGroup(g fleet.Group) error {
	if _, err := fleet.ParseGroupName(g.Name); err != nil {
		return fleet.FieldErrorf("name", "%s", err)
	}
	if !colorForm.MatchString(g.Color) {
		return fleet.FieldErrorf("color", "color %.20q: use the form #2f6fde", g.Color)
	}
	return fleet.CheckText("description", g.Description, fleet.MaxNotes)
}

// colorOf returns the color of a group that was created without one. It is always the same
// for a name.
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
