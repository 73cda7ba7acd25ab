package history

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/timeline"
)

// Group returns the past of the devices of a product in one group, for those who see the group: they
// see all of its devices. Marks are of the group and of the product default. Errors: fleet.NotFound, also
// for a group that actor may not see; fleet.Invalid as Product.
func (h *History) Group(ctx context.Context, actor fleet.Actor, product fleet.ProductID, group fleet.GroupID, q Query) (Series, error) {
	c, err := h.Catalogs.Catalog(ctx, product)
	if err != nil {
		return Series{}, err
	}
	if err := fleet.May(actor, fleet.SeeGroup, fleet.Object{Team: c.Product.Team, Group: group}); err != nil {
		return Series{}, err
	}
	if _, err := h.Teams.Group(ctx, c.Product.Team, group); err != nil {
		return Series{}, err
	}
	series, err := h.past(ctx, c, group, q)
	if err != nil {
		return Series{}, err
	}
	series.LeftOut, err = h.LeftOut(ctx, product, group)
	return series, err
}

// LeftOut reports whether a group has no past because other groups of the product take all the room.
// It checks no rights.
func (h *History) LeftOut(ctx context.Context, product fleet.ProductID, group fleet.GroupID) (bool, error) {
	have, err := h.Timelines.Groups(ctx, product)
	return len(have) >= maxGroups && !slices.Contains(have, group), err
}

// addGroups adds samples of those groups of a product that have a past. stand is how the groups with
// devices stand.
func (h *History) addGroups(ctx context.Context, t *track, c *fleet.Catalog, stand map[fleet.GroupID]*gauges) error {
	product := t.line.Product
	had, err := h.Timelines.Groups(ctx, product)
	if err != nil {
		return err
	}
	groups := had
	if h.Leads() {
		if groups, err = h.choose(ctx, c, slices.Clone(had), stand); err != nil {
			return err
		}
	}
	h.forgetGroups(product, groups)
	for _, id := range groups {
		// What was counted since the process started is of a time in which the group had no past, unless
		// it had one when the process started.
		starts := !t.grouped.IsZero() || !slices.Contains(had, id)
		g := h.trackOf(timeline.Line{Product: product, Group: id}, starts)
		if err := h.write(ctx, g); err != nil {
			return err
		}
		var now gauges // without devices
		if stand[id] != nil {
			now = *stand[id]
		}
		if err := h.record(ctx, g, now, h.Tally(product, id), nil, 0); err != nil {
			return err
		}
	}
	t.grouped = time.Now()
	return nil
}

// trackOf returns the track of a group; starts: a new one counts from now on.
func (h *History) trackOf(line timeline.Line, starts bool) *track {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[line]
	if t == nil {
		t = &track{line: line}
		if starts {
			t.at, t.counted = time.Now(), h.Tally(line.Product, line.Group)
		}
		h.tracks[line] = t
	}
	return t
}

// forgetGroups drops the tracks of other groups of a product.
func (h *History) forgetGroups(product fleet.ProductID, but []fleet.GroupID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.tracks, func(line timeline.Line, _ *track) bool {
		return line.Product == product && line.Group != 0 && !slices.Contains(but, line.Group)
	})
}

// choose returns the groups of a product that have a past from now on: those that had one and still
// exist, then those with the most devices, as long as there is room. Groups without devices make room.
func (h *History) choose(ctx context.Context, c *fleet.Catalog, had []fleet.GroupID, stand map[fleet.GroupID]*gauges) ([]fleet.GroupID, error) {
	all, err := h.Teams.Groups(ctx, c.Product.Team)
	if err != nil {
		return nil, err
	}
	exists := func(id fleet.GroupID) bool {
		return slices.ContainsFunc(all, func(g fleet.Group) bool { return g.ID == id })
	}
	product, chosen := c.Product.ID, make([]fleet.GroupID, 0, maxGroups)
	for _, id := range had {
		if exists(id) {
			chosen = append(chosen, id)
		} else if err := h.Timelines.End(ctx, product, id); err != nil {
			return nil, err
		}
	}
	wait := slices.DeleteFunc(slices.Collect(maps.Keys(stand)), func(id fleet.GroupID) bool {
		return slices.Contains(chosen, id) || !exists(id)
	})
	slices.SortFunc(wait, func(a, b fleet.GroupID) int {
		return cmp.Or(cmp.Compare(stand[b].total(), stand[a].total()), cmp.Compare(a, b))
	})
	for _, id := range wait {
		if len(chosen) >= maxGroups {
			empty := slices.IndexFunc(chosen, func(id fleet.GroupID) bool { return stand[id].total() == 0 })
			if empty < 0 {
				break
			}
			if err := h.Timelines.End(ctx, product, chosen[empty]); err != nil {
				return nil, err
			}
			chosen = slices.Delete(chosen, empty, empty+1)
		}
		if err := h.Timelines.Begin(ctx, product, id); err != nil {
			return nil, err
		}
		chosen = append(chosen, id)
	}
	return chosen, nil
}
