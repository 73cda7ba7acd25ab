package filter

import (
	"context"
	"net/url"
	"strings"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/filters"
)

// Saved is a filter with a name.
type Saved = filters.Filter

// MaxName bounds the name of a filter, in bytes.
const MaxName = 64

const maxQuery = 2000 // bytes

// List returns the saved filters of a product, by name; product 0: those of all products together. It
// leaves out filters that name groups which actor does not see.
func (s *Service) List(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]Saved, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return nil, err
	}
	all, err := s.Saved.List(ctx, actor.Team)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	names, err := s.Registry.GroupNames(ctx, actor, product)
	if err != nil {
		return nil, err
	}
	visible := make(map[string]bool, len(names))
	for _, name := range names {
		visible[name] = true
	}
	var seen []Saved
	for _, f := range all {
		if f.Product == product && namesOnly(f.Query, visible) {
			seen = append(seen, f)
		}
	}
	return seen, nil
}

// namesOnly reports whether all groups that a query names are among visible.
func namesOnly(query string, visible map[string]bool) bool {
	q, err := url.ParseQuery(query)
	for _, name := range q["group"] {
		if !visible[name] {
			return false
		}
	}
	return err == nil
}

// Find returns what a saved filter of a product asks for; fleet.NotFound if actor sees none of that
// name.
func (s *Service) Find(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (Fields, error) {
	all, err := s.List(ctx, actor, product)
	if err != nil {
		return Fields{}, err
	}
	for _, f := range all {
		if strings.EqualFold(f.Name, name) {
			return Parse(f.Query)
		}
	}
	return Fields{}, fleet.Errorf(fleet.NotFound, "no such filter: %.80s", name)
}

// Save saves a filter for the team, in the place of one with that name. It takes the right to edit
// devices.
func (s *Service) Save(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string, f Fields) (Saved, error) {
	if err := actor.May(fleet.EditDevice); err != nil {
		return Saved{}, err
	}
	name = strings.TrimSpace(name)
	if name == "" {
		return Saved{}, fleet.FieldErrorf("name", "a filter needs a name")
	}
	if err := fleet.CheckText("name", name, MaxName); err != nil {
		return Saved{}, err
	}
	saved := Saved{Product: product, Name: name, Query: f.String(), By: actor.Email}
	if saved.Query == "" {
		return Saved{}, fleet.FieldErrorf("query", "the filter selects all devices: nothing to save")
	}
	if len(saved.Query) > maxQuery {
		return Saved{}, &fleet.Error{Kind: fleet.TooLarge, Field: "query", Text: "a filter to save has at most 2,000 bytes"}
	}
	if _, err := s.Query(ctx, actor, product, f); err != nil {
		return Saved{}, err
	}
	before, err := s.Config.Saved.Save(ctx, actor.Team, saved)
	if err != nil {
		return Saved{}, err
	}
	var was audit.Fields
	if before.Name != "" {
		was = audit.Fields{"query": before.Query}
	}
	s.Audit.RecordIn(ctx, product, actor, "filter.save", name, was, audit.Fields{"query": saved.Query, "product_id": product})
	return saved, nil
}

// Delete deletes a saved filter that actor sees. It takes the right to edit devices.
func (s *Service) Delete(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) error {
	if _, err := s.Find(ctx, actor, product, name); err != nil && fleet.KindOf(err) != fleet.Invalid {
		return err
	}
	if err := actor.May(fleet.EditDevice); err != nil {
		return err
	}
	before, err := s.Config.Saved.Delete(ctx, actor.Team, product, name)
	if err == nil {
		s.Audit.RecordIn(ctx, product, actor, "filter.delete", before.Name, audit.Fields{"query": before.Query, "product_id": product}, nil)
	}
	return err
}
