package rest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

func (a *API) groups() route.Table {
	const all, one = "/v1/products/{product}/groups", "/v1/products/{product}/groups/{group}"
	return route.Table{Tag: "groups", Routes: []route.Route{
		route.Get("ListProductGroups", all, "Groups a product's devices may be in", route.Needs(fleet.SeeGroup), a.listGroups),
		route.Post("CreateProductGroup", all, "Create a group for a product's devices", route.Needs(fleet.AssignGroups), a.createGroup).
			Created().Fails(http.StatusConflict).Example(`{"name":"beta","description":"Early adopters","color":"#2f6fde"}`),
		route.Get("GetProductGroup", one, "One group", route.Needs(fleet.SeeGroup), a.getGroup),
		route.Put("UpdateProductGroup", one, "Change a group's name, description or color", route.Needs(fleet.AssignGroups), a.updateGroup).
			Fails(http.StatusConflict, http.StatusPreconditionFailed).Example(`{"name":"beta-2"}`),
		route.Delete("DeleteProductGroup", one, "Delete a group and withdraw the version released to it", route.Needs(fleet.AssignGroups), a.deleteGroup),
	}}
}

func (a *API) listGroups(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	Name string `query:"name" doc:"Part of the name"`
}) (*route.Reply[api.GroupList], error) {
	views, err := a.Registry.Groups(ctx, who, in.product.ID)
	out := api.GroupList{Groups: []api.Group{}}
	for _, v := range views {
		if strings.Contains(strings.ToLower(v.Name), strings.ToLower(in.Name)) {
			out.Groups = append(out.Groups, shownGroup(v))
		}
	}
	return route.Answer(out, err)
}

func (a *API) createGroup(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	route.Input[api.GroupFields]
}) (*route.Tagged[api.OneGroup], error) {
	f := in.In
	return oneGroup(a.Registry.CreateGroup(ctx, who, fleet.Group{
		Product: in.product.ID, Name: deref(f.Name), Description: deref(f.Description), Color: deref(f.Color),
	}))
}

func (a *API) getGroup(ctx context.Context, who fleet.Actor, in *GroupPath) (*route.Tagged[api.OneGroup], error) {
	return oneGroup(a.Registry.Group(ctx, who, in.product.ID, in.Group))
}

func (a *API) updateGroup(ctx context.Context, who fleet.Actor, in *struct {
	GroupPath
	route.IfMatch
	route.Input[api.GroupFields]
}) (*route.Tagged[api.OneGroup], error) {
	return oneGroup(a.Registry.EditGroup(ctx, who, in.product.ID, in.Group, fleet.GroupEdit{
		Name: in.In.Name, Description: in.In.Description, Color: in.In.Color, If: in.Seen,
	}))
}

func (a *API) deleteGroup(ctx context.Context, who fleet.Actor, in *struct {
	GroupPath
	Preview
}) (*removed, error) {
	if in.DryRun {
		return previewed(a.Registry.PreviewDeleteGroup(ctx, who, in.product.ID, in.Group))
	}
	return removal(a.Registry.DeleteGroup(ctx, who, in.product.ID, in.Group))
}

func oneGroup(v fleet.GroupView, err error) (*route.Tagged[api.OneGroup], error) {
	return route.AnswerTagged(v.Tag(), api.OneGroup{Group: shownGroup(v)}, err)
}

func shownGroup(v fleet.GroupView) api.Group {
	g := api.Group{Name: v.Name, Description: v.Description, Color: v.Color, Release: version(v.Release), Devices: v.Devices}
	if v.Product != 0 {
		id := uint32(v.Product)
		g.ProductID = &id
	}
	return g
}

// groupIDs returns the ids of the groups among names that the actor sees.
func (a *API) groupIDs(ctx context.Context, who fleet.Actor, product fleet.ProductID, names []string) ([]fleet.GroupID, error) {
	known, err := a.Registry.GroupNames(ctx, who, product)
	var ids []fleet.GroupID
	for id, name := range known {
		if slices.Contains(names, name) {
			ids = append(ids, id)
		}
	}
	return fleet.SortGroups(ids), err
}

// exactGroupIDs returns the ids of the groups names; each must exist.
func (a *API) exactGroupIDs(ctx context.Context, who fleet.Actor, product fleet.ProductID, names []string) ([]fleet.GroupID, error) {
	known, err := a.Registry.GroupNames(ctx, who, product)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]fleet.GroupID, len(known))
	for id, name := range known {
		byName[name] = id
	}
	ids := []fleet.GroupID{}
	for _, name := range names {
		id, ok := byName[name]
		if !ok {
			return nil, fleet.FieldErrorf("groups", "no such group: %.80s; create it first", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// NamesOf returns the names of ids, sorted.
func NamesOf(ids []fleet.GroupID, known map[fleet.GroupID]string) []string {
	names := map[string]bool{}
	for _, id := range ids {
		if name, ok := known[id]; ok {
			names[name] = true
		}
	}
	return list(slices.Sorted(maps.Keys(names)))
}
