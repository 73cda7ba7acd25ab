package registry

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// leaving is the context of a client that disconnects after some waits of the store, which
// ask for Done.
type leaving struct {
	context.Context
	leave context.CancelFunc
	waits *int
}

func (l leaving) Done() <-chan struct{} {
	switch *l.waits--; {
	case *l.waits > 0:
		return nil
	case *l.waits == 0: // this one succeeds
		l.leave()
		return nil
	}
	return l.Context.Done()
}

// TestADeletionIsCompleteOrNotBegunWhenTheClientDisconnects disconnects the client at each
// step.
func TestADeletionIsCompleteOrNotBegunWhenTheClientDisconnects(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(context.Context, *world) error{
		"a group":   func(ctx context.Context, w *world) error { return w.DeleteGroup(ctx, actor(fleet.Owner), 1, "b") },
		"a product": func(ctx context.Context, w *world) error { return w.DeleteProduct(ctx, actor(fleet.Owner), 1) },
	} {
		complete := 0
		for n, left := 0, true; left; n++ {
			w := newWorld(t)
			if name == "a product" {
				for _, d := range w.devicesOf(1) {
					w.remove(d.ID)
				}
			}
			before := len(w.devicesIn(2))
			ctx, leave := context.WithCancel(t.Context())
			if n == 0 {
				leave()
			}
			waits := n
			err := remove(leaving{ctx, leave, &waits}, w)
			left = ctx.Err() != nil // else the whole deletion has fewer waits
			leave()
			_, exists := w.groups()["b"]
			switch in := len(w.devicesIn(2)); {
			case err != nil && exists && in == before:
			case err == nil && !exists && in == 0:
				if left {
					complete++
				}
			default:
				t.Errorf("%s, client disconnects after %d waits: got %v, group exists %t, with %d devices", name, n, err, exists, in)
			}
		}
		if complete == 0 {
			t.Errorf("%s: no deletion was completed for a client that had disconnected", name)
		}
	}
}

// devicesIn returns the devices of team 1 in a group.
func (w *world) devicesIn(id fleet.GroupID) []fleet.Device {
	w.t.Helper()
	return slices.DeleteFunc(w.devicesOf(1), func(d fleet.Device) bool { return !slices.Contains(d.Groups, id) })
}

// outlook is the impact of any change, by product.
type outlook map[fleet.ProductID]fleet.Impact

func (o outlook) Preview(_ context.Context, _ fleet.Actor, product fleet.ProductID, _ []fleet.DeviceID, _ func(*fleet.IndexEntry)) (fleet.Impact, error) {
	return o[product], nil
}

func TestTheImpactOfATeamsGroupIsThatOfAllProducts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(fleet.Device{ID: "lock", Team: 1, Product: 2, Groups: []fleet.GroupID{1}})
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
