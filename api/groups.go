package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Group is a device group in Particle's shape.
type Group struct {
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Color       string  `json:"color" example:"#2f6fde"`
	Release     Version `json:"fw_version" doc:"The version released to it; null: none"`
	Devices     int     `json:"device_count" doc:"Its members that you may see"`
	ProductID   *uint32 `json:"product_id" doc:"Its product; null: it takes any device of the team"`
}

// GroupList is groups by name.
type GroupList struct {
	Groups []Group `json:"groups"`
}

// OneGroup wraps a group as Particle does.
type OneGroup struct {
	Group Group `json:"group"`
}

// GroupFields are what a group is created with and changed by.
type GroupFields struct {
	Name        *string `json:"name,omitempty" doc:"1 to 64 of A-Z a-z 0-9 _ . @ : # -"`
	Description *string `json:"description,omitempty"`
	Color       *string `json:"color,omitempty" example:"#2f6fde"`
}

// GroupPath names a group.
type GroupPath struct {
	Group string `path:"group" doc:"Group name" example:"prerelease"`
}

func (s *server) groups() {
	const tag, all, one = "groups", "/v1/products/{product}/groups", "/v1/products/{product}/groups/{group}"
	add(s, route{id: "ListProductGroups", method: http.MethodGet, path: all, summary: "Groups a product's devices may be in", tag: tag, access: needs(fleet.SeeGroup)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			Name string `query:"name" doc:"Part of the name"`
		}) (*reply[GroupList], error) {
			product, err := s.Product(ctx, who, in.Product)
			if err != nil {
				return nil, err
			}
			views, err := s.Groups(ctx, who, product.ID)
			out := GroupList{Groups: []Group{}}
			for _, v := range views {
				if strings.Contains(strings.ToLower(v.Name), strings.ToLower(in.Name)) {
					out.Groups = append(out.Groups, shownGroup(v))
				}
			}
			return answer(out, err)
		})
	add(s, route{id: "CreateProductGroup", method: http.MethodPost, path: all, summary: "Create a group for a product's devices", tag: tag, status: http.StatusCreated, access: needs(fleet.AssignGroups), errors: []int{http.StatusConflict},
		example: `{"name":"beta","description":"Early adopters","color":"#2f6fde"}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			Input[GroupFields]
		}) (*tagged[OneGroup], error) {
			product, err := s.Product(ctx, who, in.Product)
			if err != nil {
				return nil, err
			}
			f := in.In
			v, err := s.CreateGroup(ctx, who, fleet.Group{Product: product.ID, Name: deref(f.Name), Description: deref(f.Description), Color: deref(f.Color)})
			return oneGroup(v, err)
		})
	add(s, route{id: "GetProductGroup", method: http.MethodGet, path: one, summary: "One group", tag: tag, access: needs(fleet.SeeGroup)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			GroupPath
		}) (*tagged[OneGroup], error) {
			product, err := s.Product(ctx, who, in.Product)
			if err != nil {
				return nil, err
			}
			v, err := s.Group(ctx, who, product.ID, in.Group)
			return oneGroup(v, err)
		})
	add(s, route{id: "UpdateProductGroup", method: http.MethodPut, path: one, summary: "Rename, describe, colour a group", tag: tag, access: needs(fleet.AssignGroups), errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
		example: `{"name":"beta-2"}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			GroupPath
			IfMatch
			Input[GroupFields]
		}) (*tagged[OneGroup], error) {
			product, err := s.Product(ctx, who, in.Product)
			if err != nil {
				return nil, err
			}
			v, err := s.EditGroup(ctx, who, product.ID, in.Group, fleet.GroupEdit{Name: in.In.Name, Description: in.In.Description, Color: in.In.Color, If: in.seen})
			return oneGroup(v, err)
		})
	add(s, route{id: "DeleteProductGroup", method: http.MethodDelete, path: one, summary: "Delete a group and end its release", tag: tag, access: needs(fleet.AssignGroups)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			GroupPath
			Preview
		}) (*removed, error) {
			product, err := s.Product(ctx, who, in.Product)
			if err != nil {
				return nil, err
			}
			if in.DryRun {
				return previewed(s.PreviewDeleteGroup(ctx, who, product.ID, in.Group))
			}
			return removal(s.DeleteGroup(ctx, who, product.ID, in.Group))
		})
}

func oneGroup(v fleet.GroupView, err error) (*tagged[OneGroup], error) {
	return answerTagged(v.Tag(), OneGroup{shownGroup(v)}, err)
}

func shownGroup(v fleet.GroupView) Group {
	g := Group{Name: v.Name, Description: v.Description, Color: v.Color, Release: Version{v.Release}, Devices: v.Devices}
	if v.Product != 0 {
		id := uint32(v.Product)
		g.ProductID = &id
	}
	return g
}

// groupIDs are the ids of names, as far as the actor sees groups of those names.
func (s *server) groupIDs(ctx context.Context, who fleet.Actor, product fleet.ProductID, names []string) ([]fleet.GroupID, error) {
	known, err := s.GroupNames(ctx, who, product)
	var ids []fleet.GroupID
	for id, name := range known {
		if slices.Contains(names, name) {
			ids = append(ids, id)
		}
	}
	return fleet.SortGroups(ids), err
}

// exactGroupIDs is groupIDs where each name must be one.
func (s *server) exactGroupIDs(ctx context.Context, who fleet.Actor, product fleet.ProductID, names []string) ([]fleet.GroupID, error) {
	known, err := s.GroupNames(ctx, who, product)
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

// namesOf are the names of ids, in order of the names.
func namesOf(ids []fleet.GroupID, known map[fleet.GroupID]string) []string {
	names := map[string]bool{}
	for _, id := range ids {
		if name, ok := known[id]; ok {
			names[name] = true
		}
	}
	return list(slices.Sorted(maps.Keys(names)))
}
