package roaming

import (
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestAGatewayAttachesDevicesOfItsGroupsOnly(t *testing.T) {
	w := withGateways(t) // gw-a is in group a, gw-b in none
	w.create(fleet.Device{ID: "ble-a", Kind: fleet.BLE, Groups: []fleet.GroupID{1}}, fleet.Device{ID: "ble-ab", Kind: fleet.BLE, Groups: []fleet.GroupID{1, 2}})
	for _, row := range []struct {
		name    string
		roaming fleet.Roaming
		gateway fleet.DeviceID
		device  fleet.DeviceID
		want    fleet.ReasonCode
	}{
		{"its own, though they share no group", fleet.RoamingGroups, "gw-a", "ble-b", wire.ReasonNone},
		{"no group in common", fleet.RoamingGroups, "gw-b", "ble-a", wire.ReasonNotAttached},
		{"no group in common, and it may not move", fleet.RoamingNone, "gw-b", "ble-a", wire.ReasonNotAttached},
		{"one group of two in common", fleet.RoamingGroups, "gw-a", "ble-ab", wire.ReasonNone},
		{"a device without groups", fleet.RoamingGroups, "gw-b", "loose", wire.ReasonNone},
		{"of another gateway, no group in common", fleet.RoamingGroups, "gw-b", "ble-b", wire.ReasonNotAttached},
		{"the product roams in the whole team", fleet.RoamingTeam, "gw-b", "ble-b", wire.ReasonNone},
	} {
		w.product(func(p *fleet.Product) { p.Roaming = row.roaming })
		if got := w.attach(row.gateway, row.device); got != row.want {
			t.Errorf("%s: got reason %d, want %d", row.name, got, row.want)
		}
		if attached := w.device(row.device).Gateway == ours(row.gateway); attached != (row.want == wire.ReasonNone) {
			t.Errorf("%s: got attached %t", row.name, attached)
		}
	}
}

// A gateway that attaches and detaches without end leaves room in the log for others.
func TestWhatAGatewayChangesIsAuditedWithinLimits(t *testing.T) {
	w := withGateways(t)
	for range recordBurst {
		w.attach("gw-b", "loose")
		if _, err := w.Detach(t.Context(), 1, "1/gw-b", "1/loose"); err != nil {
			t.Fatal(err)
		}
	}
	attached, detached := strings.Count(w.actions(), "device.attach"), strings.Count(w.actions(), "device.detach")
	if attached+detached > recordBurst || attached < 10 || detached < 10 {
		t.Errorf("got %d attaches and %d detaches in the log, want %d in all", attached, detached, recordBurst)
	}
	if left, _ := w.limits.record("1/gw-b"); left != 0 && left != recordBurst {
		t.Errorf("got %d changes counted", left)
	}
}
