package cli

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/humane"
)

type deviceConnectionsCmd struct {
	remote
	ID string `arg:"" help:"Device id." complete:"device"`
}

// Run lists the last connections of a device.
func (c *deviceConnectionsCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Connection, error) {
		d, err := s.Device(ctx, c.ID)
		return listed(d.Connections), err
	}, func(t *table, list []api.Connection) {
		t.hint(len(list), "%s has not connected yet.", c.ID)
		t.row("BEGAN", "LASTED", "ENDED BY")
		for _, one := range list {
			lasted, by := "", one.Reason
			switch {
			case one.Ended != nil:
				lasted = humane.Span(one.Ended.Sub(one.Began))
			case one.Lasts:
				lasted, by = humane.Span(time.Since(one.Began)), "nothing: it is connected"
			default:
				by = "not seen: the server stopped before it ended"
			}
			t.row(one.Began, lasted, by)
		}
	})
}

type deviceFactsCmd struct {
	remote
	ID string `arg:"" help:"Device id." complete:"device"`
}

// factsOf are the facts of one device.
type factsOf struct {
	Facts   json.RawMessage   `json:"facts"`
	Earlier []api.EarlierFact `json:"earlier_facts"`
}

// Run lists the facts of a device.
func (c *deviceFactsCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (factsOf, error) {
		d, err := s.Device(ctx, c.ID)
		return factsOf{Facts: d.Facts, Earlier: listed(d.EarlierFacts)}, err
	}, func(t *table, f factsOf) {
		now := humane.Flat(f.Facts)
		t.hint(len(now)+len(f.Earlier), "%s has not reported anything about itself.", c.ID)
		t.row("FACT", "VALUE", "UNTIL")
		for _, name := range slices.Sorted(maps.Keys(now)) {
			t.row(name, now[name], "now")
		}
		for _, e := range f.Earlier {
			t.row(e.Fact, e.Value, e.Until)
		}
	})
}

// listed is list, or an empty one for nil: JSON shows [] instead of null.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
