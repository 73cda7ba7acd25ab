package cli

import (
	"context"

	"github.com/muster-iot/muster/api"
)

type filterCmd struct {
	List   filterListCmd   `cmd:"" help:"List a product's saved filters." example:"muster filter list"`
	Save   filterSaveCmd   `cmd:"" help:"Save a filter for the team, in the place of one with that name." example:"muster filter save silent-beta 'group=beta&silent=7'"`
	Delete filterDeleteCmd `cmd:"" help:"Delete a saved filter." example:"muster filter delete silent-beta"`
}

type filterListCmd struct{ productRemote }

// Run lists filters.
func (c *filterListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.SavedFilter, error) { return s.SavedFilters(ctx, s.product) }, func(t *table, filters []api.SavedFilter) {
		t.hint(len(filters), "No saved filters yet. Save one with: muster filter save NAME QUERY")
		t.row("NAME", "QUERY", "BY")
		for _, f := range filters {
			t.row(f.Name, f.Query, f.By)
		}
	})
}

type filterSaveCmd struct {
	productRemote
	Name  string `arg:"" help:"Name of the filter." complete:"filter"`
	Query string `arg:"" help:"What it selects, as in the address of the console's list of devices: group=beta&online=yes."`
}

// Run saves a filter.
func (c *filterSaveCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.SavedFilter, error) { return s.SaveFilter(ctx, s.product, c.Name, c.Query) }, func(t *table, f api.SavedFilter) {
		t.row("name", f.Name)
		t.row("query", f.Query)
	})
}

type filterDeleteCmd struct {
	productRemote
	Name string `arg:"" help:"Name of the filter." complete:"filter"`
}

// Run deletes a filter.
func (c *filterDeleteCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	return c.done(s.DeleteFilter(ctx, s.product, c.Name), "Deleted the filter %s.", c.Name)
}
