package handshake

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestAGatewayRelaysTheDevicesAttachedToIt(t *testing.T) {
	for name, row := range map[string]struct {
		device fleet.Device
		want   error
	}{
		"attached":           {fleet.Device{ID: "b", Kind: fleet.BLE, Gateway: "g", Team: 1}, nil},
		"attached elsewhere": {fleet.Device{ID: "b", Kind: fleet.BLE, Gateway: "h", Team: 1}, fleet.Denied},
		"detached":           {fleet.Device{ID: "b", Kind: fleet.BLE, Team: 1}, fleet.Denied},
		"another team's":     {fleet.Device{ID: "b", Kind: fleet.BLE, Gateway: "g", Team: 2}, fleet.Denied},
		"disabled":           {fleet.Device{ID: "b", Kind: fleet.BLE, Gateway: "g", Team: 1, Disabled: true}, fleet.Denied},
		"no BLE device":      {fleet.Device{ID: "b", Gateway: "g", Team: 1}, fleet.Denied},
		"unknown":            {fleet.Device{ID: "other", Team: 1}, fleet.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(fleet.Device{ID: "g", Kind: fleet.Gateway, Team: 1}, row.device)
			s := New(Config{}, m, m)
			gateway := admit(t, s, "g")
			session, err := s.AdmitAttached(t.Context(), gateway, "b")
			if !errors.Is(err, row.want) || (err == nil) != (session != nil) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if err == nil && (session.ID() != "b" || session.Kind() != fleet.BLE || session.Generation() != 0) {
				t.Errorf("got session of %s", session.ID())
			}
		})
	}
}

func TestHelloThroughAGatewayTheDeviceHasLeftIsRefused(t *testing.T) {
	m := newMemory(fleet.Device{ID: "g", Kind: fleet.Gateway}, fleet.Device{ID: "b", Kind: fleet.BLE, Gateway: "g"})
	s := New(Config{}, m, m)
	session, err := s.AdmitAttached(t.Context(), admit(t, s, "g"), "b")
	if err != nil {
		t.Fatal(err)
	}
	m.edit("b", func(d *fleet.Device) { d.Gateway = "h" })
	_, err = Greet(t.Context(), s, session, hello(1), nothing)
	if !errors.Is(err, fleet.Conflict) {
		t.Errorf("got %v, want Conflict", err)
	}
	if d := m.devices["b"]; d.Session != 0 || !d.Running.IsZero() {
		t.Errorf("it was written: %+v", d)
	}
}
