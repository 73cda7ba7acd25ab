//nolint:forbidigo // all sleeps are in synctest bubbles
package roaming

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func (w *world) attach(gateway, id fleet.DeviceID) fleet.ReasonCode {
	w.t.Helper()
	return must[fleet.ReasonCode](w.t)(w.Attach(w.t.Context(), 1, ours(gateway), ours(id)))
}

func TestAGatewayAttachesBLEDevicesOfItsTeam(t *testing.T) {
	w := withGateways(t)
	for name, row := range map[string]struct {
		id   fleet.DeviceID
		want fleet.ReasonCode
	}{
		"detached": {"loose", wire.ReasonNone}, "attached elsewhere": {"ble-b", wire.ReasonNone},
		"of another team": {"2/far-ble", wire.ReasonNotAttached}, "a device with a connection": {"free", wire.ReasonNotAttached},
		"the gateway itself": {"gw-b", wire.ReasonNotAttached},
	} {
		if got := w.attach("gw-b", row.id); got != row.want {
			t.Errorf("%s: got reason %d, want %d", name, got, row.want)
		}
		d := w.device(row.id)
		if attached := d.Gateway == "1/gw-b"; attached != (row.want == wire.ReasonNone) || attached != (d.Session != 0) {
			t.Errorf("%s: got gateway %q, session %d", name, d.Gateway, d.Session)
		}
	}
	if got := w.attach("gw-b", "loose"); got != wire.ReasonNone || w.device("loose").Session == 0 {
		t.Errorf("attached already: got reason %d, session %d", got, w.device("loose").Session)
	}
	if got := w.actions(); strings.Count(got, "device.move") != 1 || strings.Count(got, "device.attach") != 1 {
		t.Errorf("the audit log has %q, want one attach and one move", got)
	}
	log := w.log()
	if e := log[slices.IndexFunc(log, func(e fleet.AuditEntry) bool { return e.Action == "device.move" })]; e.Email != "gateway gw-b" || e.Object != "ble-b" || e.Before != `{"gatewayId":"gw-a"}` || e.After != `{"gatewayId":"gw-b"}` {
		t.Errorf("audit: got %+v", e)
	}
	if len(w.live.kicked) != 2 || len(w.live.events) != 2 {
		t.Errorf("got sessions ended %v and events %v, want two of each", w.live.kicked, w.live.events)
	}
}

func TestAGatewayDetachesOnlyItsOwnDevices(t *testing.T) {
	w := withGateways(t)
	for _, row := range []struct {
		gateway, id fleet.DeviceID
		want        fleet.ReasonCode
	}{
		{"gw-b", "ble-b", wire.ReasonNotAttached}, {"gw-a", "ble-b", wire.ReasonNone}, {"gw-a", "ble-b", wire.ReasonNotAttached},
		{"gw-a", "nobody", wire.ReasonNotAttached},
	} {
		if got := must[fleet.ReasonCode](t)(w.Detach(t.Context(), 1, ours(row.gateway), ours(row.id))); got != row.want {
			t.Errorf("%s of %s: got reason %d, want %d", row.id, row.gateway, got, row.want)
		}
	}
	if d := w.device("ble-b"); d.Gateway != "" || d.Session == 0 {
		t.Errorf("got gateway %q, session %d", d.Gateway, d.Session)
	}
}

func TestDevicesMoveOnlyWhereTheirProductLetsThemRoam(t *testing.T) {
	w := withGateways(t)
	w.product(func(p *fleet.Product) { p.Roaming = fleet.RoamingNone })
	if got := w.attach("gw-b", "ble-b"); got != wire.ReasonNotAttached || w.device("ble-b").Gateway != "1/gw-a" {
		t.Errorf("got reason %d, gateway %s", got, w.device("ble-b").Gateway)
	}
	if got := w.attach("gw-b", "loose"); got != wire.ReasonNone {
		t.Errorf("a detached device does not move: got reason %d", got)
	}
}

func TestMovesAreLimitedAndFlappingRaisesOneAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := withGateways(t)
		gateways := []fleet.DeviceID{"gw-b", "gw-a"}
		for n := range moveBurst {
			if got := w.attach(gateways[n%2], "ble-b"); got != wire.ReasonNone {
				t.Fatalf("move %d: got reason %d", n+1, got)
			}
		}
		for range 3 {
			if got := w.attach("gw-b", "ble-b"); got != wire.ReasonOverLimit {
				t.Errorf("after %d moves: got reason %d, want %d", moveBurst, got, wire.ReasonOverLimit)
			}
		}
		alerts, _, err := w.store.Messages.Alerts(t.Context(), 1, "ble-b", false, "", 10)
		if err != nil || len(alerts) != 1 || alerts[0].Name != "flapping" {
			t.Errorf("got alerts %+v, %v, want one", alerts, err)
		}
		time.Sleep(moveInterval)
		if got := w.attach("gw-b", "ble-b"); got != wire.ReasonNone {
			t.Errorf("after a pause: got reason %d", got)
		}
	})
}

func TestUnknownBLEDevicesAreRegisteredUpToTheProductsNumber(t *testing.T) {
	w := withGateways(t)
	var got []fleet.ReasonCode
	for n := range 3 {
		got = append(got, w.attach("gw-b", fleet.DeviceID(fmt.Sprint("new-", n))))
	}
	if want := []fleet.ReasonCode{wire.ReasonNone, wire.ReasonNone, wire.ReasonOverLimit}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got reasons %v, want %v", got, want)
	}
	d := w.device("new-0")
	if d.Team != 1 || d.Product != 1 || d.Kind != fleet.BLE || d.Gateway != "1/gw-b" || !d.UpdatesOn || d.Created.IsZero() || w.exists("new-2") {
		t.Errorf("got %+v; the third exists: %t", d, w.exists("new-2"))
	}
	if got := w.actions(); strings.Count(got, "device.register") != 2 {
		t.Errorf("the audit log has %q", got)
	}
	for range 2 { // detaching makes no room for others
		must[fleet.ReasonCode](t)(w.Detach(t.Context(), 1, "1/gw-b", "1/new-0"))
		if got := w.attach("gw-b", "new-2"); got != wire.ReasonOverLimit {
			t.Errorf("after a detach: got reason %d, want %d", got, wire.ReasonOverLimit)
		}
	}
}

func TestTheProductOfARegisteredDeviceIsNeverAGuess(t *testing.T) {
	w := withGateways(t)
	second := must[fleet.Product](t)(w.store.Catalogs.CreateProduct(t.Context(), fleet.Product{Team: 1, Slug: "sensor", AutoRegister: 5}))
	w.product(func(p *fleet.Product) { p.AutoRegister = 0 })
	if got := w.attach("gw-b", "only-one"); got != wire.ReasonNone || w.device("only-one").Product != second.ID {
		t.Errorf("the only product that takes devices: got reason %d", got)
	}
	must[fleet.Product](t)(w.store.Catalogs.CreateProduct(t.Context(), fleet.Product{Team: 1, Slug: "meter", AutoRegister: 5}))
	if got := w.attach("gw-b", "one-of-two"); got != wire.ReasonNotAttached || w.exists("one-of-two") {
		t.Errorf("two products that take devices: got reason %d, want %d", got, wire.ReasonNotAttached)
	}
	w.product(func(p *fleet.Product) { p.AutoRegister = 5 })
	if got := w.attach("gw-b", "own"); got != wire.ReasonNone || w.device("own").Product != 1 {
		t.Errorf("the gateway's own product takes devices: got reason %d", got)
	}
}
