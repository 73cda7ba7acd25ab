// Package filters keeps the filters that teams saved, in Redis. What a filter means is up to package
// filter.
package filters

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Max is how many filters a team has at most.
const Max = 100

// Filter is a filter of the devices of a product; product 0: of all.
type Filter struct {
	Product fleet.ProductID
	Name    string
	Query   string
	By      string // email of the user who saved it
}

// key is what names a filter in its team.
func (f Filter) key() string { return f.Product.String() + ":" + strings.ToLower(f.Name) }

// Filters are the filters of all teams in one Redis. It is safe for concurrent use.
type Filters struct {
	docs *document.Documents[fleet.TeamID, saved]
}

// New returns the filters of p.
func New(p *pipeline.Pipeline) *Filters { return &Filters{document.New(p, kind, keys.Filters)} }

type saved struct {
	revision uint64
	filters  map[string]Filter
}

var kind = document.Kind[saved]{
	Name:   "list of filters",
	Fields: func(h *document.Hash, s *saved) { document.Named(h, "f", document.JSON[Filter]{}, s.filters) },
	Clone: func(s *saved) *saved {
		c := &saved{revision: s.revision, filters: maps.Clone(s.filters)}
		if c.filters == nil {
			c.filters = map[string]Filter{}
		}
		return c
	},
	Revision: func(s *saved) *uint64 { return &s.revision },
}

// List returns the filters of a team, by name.
func (s *Filters) List(ctx context.Context, team fleet.TeamID) ([]Filter, error) {
	found, err := s.docs.Live(ctx, team)
	if errors.Is(err, fleet.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(found.filters), func(a, b Filter) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) }), nil
}

// Save stores a filter in the place of one with the same name and product, and returns that one; its
// Name is "" if there was none. It returns fleet.Conflict when the team has Max filters.
func (s *Filters) Save(ctx context.Context, team fleet.TeamID, f Filter) (before Filter, err error) {
	_, err = s.docs.EditOrCreate(ctx, team, func(l *saved) error {
		before = l.filters[f.key()]
		if before.Name == "" && len(l.filters) >= Max {
			return fleet.Errorf(fleet.Conflict, "your team has %d saved filters, as many as it can have: delete one first", Max)
		}
		l.filters[f.key()] = f
		return nil
	})
	return before, err
}

// Delete removes a filter and returns it; fleet.NotFound when there is none.
func (s *Filters) Delete(ctx context.Context, team fleet.TeamID, product fleet.ProductID, name string) (before Filter, err error) {
	key := Filter{Product: product, Name: name}.key()
	_, err = s.docs.Edit(ctx, team, func(l *saved) error {
		if before = l.filters[key]; before.Name == "" {
			return fleet.NotFound
		}
		delete(l.filters, key)
		return nil
	})
	return before, fleet.Hide(err, "no such filter: %.80s", name)
}
