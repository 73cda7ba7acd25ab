package registry

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// late deletes a group just before the first write, after its name was resolved: the
// deletion does not find the devices that are being added to it.
type late struct {
	records
	deleteGroup func()
}

// lateFor returns a late that deletes group id.
func lateFor(w *world, id fleet.GroupID) late {
	return late{w.store.Devices, sync.OnceFunc(func() {
		if err := w.store.Teams.DeleteGroup(w.t.Context(), 1, id); err != nil {
			w.t.Error(err)
		}
	})}
}

func (l late) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	l.deleteGroup()
	return l.records.Edit(ctx, id, change)
}

func (l late) CreateMany(ctx context.Context, devices []*fleet.Device) []error {
	l.deleteGroup()
	return l.records.CreateMany(ctx, devices)
}

// halting has no device "in-a", and is unavailable once a device has group b.
type halting struct{ late }

func (h halting) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	d, err := h.Device(ctx, id)
	switch {
	case err != nil || id == "1/in-a":
		return d, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	case d.InAnyOf([]fleet.GroupID{2}):
		return d, fleet.Errorf(fleet.Unavailable, "the store does not answer")
	}
	return h.late.Edit(ctx, id, change)
}

func TestABatchTellsOfEveryFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.devices = halting{lateFor(w, 1)}
	err := w.EditGroups(t.Context(), actor(fleet.Owner), fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free", "in-a"}, Add: []string{"a", "b"}})
	if !errors.Is(err, fleet.NotFound) || !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want a device not found, and one left in a deleted group", err)
	}
}

func TestAGroupDeletedWhileItIsAssignedIsOnNoDevice(t *testing.T) {
	t.Parallel()
	for name, assign := range map[string]func(ctx context.Context, w *world) error{
		"one device": func(ctx context.Context, w *world) error {
			_, err := w.EditDevice(ctx, actor(fleet.Owner), 1, "free", fleet.DeviceEdit{Groups: &[]string{"a", "b"}})
			return err
		},
		"a batch": func(ctx context.Context, w *world) error {
			return w.EditGroups(ctx, actor(fleet.Owner), fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free", "in-b"}, Add: []string{"a", "b"}})
		},
		"an import": func(ctx context.Context, w *world) error {
			_, err := w.Import(ctx, actor(fleet.Owner), fleet.Import{Product: 1, Devices: fleet.NewDevices("new"), Groups: []string{"a", "b"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.devices = lateFor(w, 1)
			if err := assign(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			in := 0
			for _, d := range w.devicesOf(1) {
				if slices.Contains(d.Groups, 1) {
					t.Errorf("device %s is in the deleted group: %v", d.ID, d.Groups)
				}
				if slices.Contains(d.Groups, 2) {
					in++
				}
			}
			if before := 3; in <= before { // in-b, in-ab and ble-b
				t.Error("no device was added to the group that still exists")
			}
		})
	}
}
