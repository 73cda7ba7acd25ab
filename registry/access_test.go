package registry

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// imported has another team delete and import each device just before it is written.
type imported struct {
	records
	w *world
}

func (i imported) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	i.w.remove(id)
	i.w.create(theirs(id))
	return i.records.Edit(ctx, id, change)
}

func theirs(id fleet.DeviceID) fleet.Device {
	return fleet.Device{ID: id.In(2), Team: 2, Product: 2, Secret: fleet.Secret{9}}
}

func TestADeviceThatBecameAnotherTeamsIsNotTouched(t *testing.T) {
	t.Parallel()
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
			_, err := w.Import(ctx, owner, fleet.Import{Product: 1, Devices: fleet.NewDevices("new"), Gateway: "free"})
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
		w.store.Devices.SetOnline("1/free", true)
		w.devices = imported{w.store.Devices, w}
		if err := touch(t.Context(), w); !errors.Is(err, fleet.NotFound) {
			t.Errorf("%s: got %v, want not found", name, err)
		}
		got, want := w.device("2/free"), theirs("free")
		if want.Revision, want.Base = got.Revision, got.Base; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if len(w.live.kicked) > 0 || len(w.live.rechecks) > 0 {
			t.Errorf("%s: connections were ended %v, or re-evaluated %v", name, w.live.kicked, w.live.rechecks)
		}
	}
}
