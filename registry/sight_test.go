package registry

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// imported is where device records live while another team deletes and imports each
// device just before it is written.
type imported struct{ devicesFake }

func (i imported) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	i.mu.Lock()
	i.records[id] = theirs(id)
	i.mu.Unlock()
	return i.devicesFake.Edit(ctx, id, change)
}

func theirs(id fleet.DeviceID) fleet.Device {
	return fleet.Device{ID: id, Team: 2, Product: 2, Secret: fleet.Secret{9}}
}

func TestADeviceThatBecameAnotherTeamsIsNotTouched(t *testing.T) {
	owner := actor(fleet.Owner)
	for name, touch := range map[string]func(context.Context, *world) error{
		"flash": func(ctx context.Context, w *world) error {
			return w.FlashDevice(ctx, owner, 0, "free", version("1"))
		},
		"new secret": func(ctx context.Context, w *world) error {
			secret, err := w.RotateSecret(ctx, owner, "free")
			if secret != "" {
				t.Error("new secret: it was shown")
			}
			return err
		},
		"made a gateway": func(ctx context.Context, w *world) error {
			_, err := w.Import(ctx, owner, fleet.Import{Product: 1, IDs: []string{"new"}, Gateway: "free"})
			return err
		},
		"edit": func(ctx context.Context, w *world) error {
			_, err := w.EditDevice(ctx, owner, 0, "free", fleet.DeviceEdit{Name: ptr("mine")})
			return err
		},
		"batch": func(ctx context.Context, w *world) error {
			return w.EditGroups(ctx, owner, fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free"}, Add: []string{"a"}})
		},
	} {
		w := newWorld(t)
		w.devices, w.online["free"] = imported{devicesFake{w}}, true
		if err := touch(t.Context(), w); !errors.Is(err, fleet.NotFound) {
			t.Errorf("%s: got %v, want not found", name, err)
		}
		if got, want := w.records["free"], theirs("free"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if len(w.kicked) > 0 || len(w.rechecks) > 0 {
			t.Errorf("%s: connections were ended %v, or decided anew %v", name, w.kicked, w.rechecks)
		}
	}
}
