package registry

import (
	"context"
	"reflect"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// hasty is where teams live while the client that asks leaves before a group is deleted.
type hasty struct {
	teamsFake
	leave context.CancelFunc
}

func (h hasty) DeleteGroup(ctx context.Context, team fleet.TeamID, id fleet.GroupID) error {
	h.leave()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return h.teamsFake.DeleteGroup(ctx, team, id)
}

func TestADeletionGoesOnWhenTheClientHasLeft(t *testing.T) {
	for name, remove := range map[string]func(context.Context, *world) error{
		"a group": func(ctx context.Context, w *world) error { return w.DeleteGroup(ctx, actor(fleet.Owner), 1, "b") },
		"a product": func(ctx context.Context, w *world) error {
			clear(w.records)
			return w.DeleteProduct(ctx, actor(fleet.Owner), 1)
		},
	} {
		w := newWorld(t)
		ctx, leave := context.WithCancel(t.Context())
		w.Registry.teams = hasty{teamsFake{w}, leave}
		if err := remove(ctx, w); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, left := w.groups[2]; left {
			t.Errorf("%s: the group is left", name)
		}
	}
}

// outlook is the impact of any change, by product.
type outlook map[fleet.ProductID]fleet.Impact

func (o outlook) Preview(_ context.Context, _ fleet.Actor, product fleet.ProductID, _ []fleet.DeviceID, _ func(*fleet.IndexEntry)) (fleet.Impact, error) {
	return o[product], nil
}

func TestTheImpactOfATeamsGroupIsThatOfAllProducts(t *testing.T) {
	w := newWorld(t)
	w.records["lock"] = fleet.Device{ID: "lock", Team: 1, Product: 2, Groups: []fleet.GroupID{1}}
	locked := []fleet.ReasonCount{{Reason: "locked", Devices: 1}}
	one, two := version("1"), version("2")
	w.forecast = outlook{
		1: {Total: 1, Of: 1, ByVersion: []fleet.VersionCount{{Version: one, Devices: 1}}, Blocked: locked},
		2: {Total: 2, Of: 2, ByVersion: []fleet.VersionCount{{Version: two, Devices: 1}, {Version: one, Devices: 1}}, Blocked: locked},
	}
	want := fleet.Impact{
		Total: 3, Of: 3, ByVersion: []fleet.VersionCount{{Version: two, Devices: 1}, {Version: one, Devices: 2}},
		Blocked: []fleet.ReasonCount{{Reason: "locked", Devices: 2}},
	}
	if got, err := w.PreviewDeleteGroup(t.Context(), actor(fleet.Owner), 0, "a"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
