package registry

import (
	"errors"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestOnlyWhoMayImportMakesADeviceAGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(fleet.Device{ID: "gw-b", Kind: fleet.Gateway}, fleet.Device{ID: "loose", Kind: fleet.BLE})
	gateway := fleet.DeviceID("free")
	edit := fleet.DeviceEdit{Gateway: &gateway}
	if _, err := w.EditDevice(t.Context(), actor(fleet.Editor, 1, 2), 0, "loose", edit); !errors.Is(err, fleet.Denied) {
		t.Errorf("an editor: got %v, want Denied", err)
	}
	if w.device("free").Kind != fleet.Generic || w.device("loose").Gateway != "" {
		t.Error("the refused edit had an effect")
	}
	if _, err := w.EditDevice(t.Context(), actor(fleet.Admin), 0, "loose", edit); err != nil {
		t.Fatal(err)
	}
	if w.device("free").Kind != fleet.Gateway || !strings.Contains(w.actions(), "device.gateway") {
		t.Errorf("an admin: got kind %s, audit %q", w.device("free").Kind, w.actions())
	}
	again := fleet.DeviceID("gw-b")
	if _, err := w.EditDevice(t.Context(), actor(fleet.Editor, 1, 2), 0, "loose", fleet.DeviceEdit{Gateway: &again}); err != nil {
		t.Errorf("an editor attaches to a gateway that is one: %v", err)
	}
}
