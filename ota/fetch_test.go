package ota

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestGatewayFetchesOnlyWhatItsChildrenAreUpdatedTo(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	w.Edit("a", func(d *fleet.Device) { d.Kind, d.Gateway = fleet.BLE, "1/g" })
	child, plan := w.connect("1/a", "1", func(h *wire.Hello) { h.Caches = true })
	if o := child.offers[0]; !o.Cached || child.count != 0 {
		t.Fatalf("got offer %+v with %d chunks pushed, want one from the gateway's cache", o, child.count)
	}
	gateway := &radio{w: w, id: "1/g"}
	want := wire.Want{Image: plan.Offer.Image(), First: 3, Count: 4}
	for _, row := range []struct {
		name     string
		gateway  fleet.DeviceID
		children []fleet.DeviceID
		edit     func(*wire.Want)
		served   bool
		queued   uint32
	}{
		{"the image of a child", "1/g", []fleet.DeviceID{"1/a"}, nil, true, 4},
		{"clipped at its end", "1/g", []fleet.DeviceID{"1/a"}, func(w *wire.Want) { w.First, w.Count = 20, 64 }, true, 5},
		{"past its end", "1/g", []fleet.DeviceID{"1/a"}, func(w *wire.Want) { w.First = 25 }, true, 0},
		{"another image", "1/g", []fleet.DeviceID{"1/a"}, func(w *wire.Want) { w.Image = fleet.Image{1} }, false, 0},
		{"of a child it does not carry", "1/g", nil, nil, false, 0},
		{"of another gateway's child", "1/h", []fleet.DeviceID{"1/a"}, nil, false, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			gateway.count = 0
			asks := want
			if row.edit != nil {
				row.edit(&asks)
			}
			if served := w.Fetch(row.gateway, row.children, asks, gateway); served != row.served || gateway.count != row.queued {
				t.Errorf("got %t, %d queued; want %t, %d", served, gateway.count, row.served, row.queued)
			}
		})
	}
	w.Gone("1/a", child)
	if w.Fetch("1/g", []fleet.DeviceID{"1/a"}, want, gateway) {
		t.Error("served after the child's update paused")
	}
}
