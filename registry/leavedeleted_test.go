package registry

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// late is where device records live while a group is deleted just before the first write,
// after its name was resolved: the deletion finds no device to take out of it.
type late struct {
	devicesFake
	gone fleet.GroupID
}

func (l late) deleteGroup() {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.groups, l.gone)
}

func (l late) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	l.deleteGroup()
	return l.devicesFake.Edit(ctx, id, change)
}

func (l late) CreateMany(ctx context.Context, devices []*fleet.Device) []error {
	l.deleteGroup()
	return l.devicesFake.CreateMany(ctx, devices)
}

// halting lacks one device, and goes away once another has its group.
type halting struct{ late }

func (h halting) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	d, err := h.Device(ctx, id)
	switch {
	case err != nil || id == "in-a":
		return d, fleet.Errorf(fleet.NotFound, "store: no %s", id)
	case d.InAnyOf([]fleet.GroupID{2}):
		return d, fleet.Errorf(fleet.Unavailable, "store: away")
	}
	return h.late.Edit(ctx, id, change)
}

func TestABatchTellsOfEveryFailure(t *testing.T) {
	w := newWorld(t)
	w.devices = halting{late{devicesFake{w}, 1}}
	err := w.EditGroups(t.Context(), actor(fleet.Owner), fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free", "in-a"}, Add: []string{"a", "b"}})
	if !errors.Is(err, fleet.NotFound) || !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want a device not found, and one left in a deleted group", err)
	}
}

func TestAGroupDeletedWhileItIsAssignedIsOnNoDevice(t *testing.T) {
	for name, assign := range map[string]func(ctx context.Context, w *world) error{
		"one device": func(ctx context.Context, w *world) error {
			_, err := w.EditDevice(ctx, actor(fleet.Owner), 1, "free", fleet.DeviceEdit{Groups: &[]string{"a", "b"}})
			return err
		},
		"a batch": func(ctx context.Context, w *world) error {
			return w.EditGroups(ctx, actor(fleet.Owner), fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free", "in-b"}, Add: []string{"a", "b"}})
		},
		"an import": func(ctx context.Context, w *world) error {
			_, err := w.Import(ctx, actor(fleet.Owner), fleet.Import{Product: 1, IDs: []string{"new"}, Groups: []string{"a", "b"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, id := range []fleet.DeviceID{"in-a", "in-ab", "gw-a"} { // whom the deletion takes out
				delete(w.records, id)
			}
			w.devices = late{devicesFake{w}, 1}
			if err := assign(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			in := 0
			for id, d := range w.records {
				if slices.Contains(d.Groups, 1) {
					t.Errorf("device %s is in a group that is gone: %v", id, d.Groups)
				}
				if slices.Contains(d.Groups, 2) {
					in++
				}
			}
			if in == 0 {
				t.Error("nobody is in the group that is still there")
			}
		})
	}
}
