package registry

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// A stop and spent attempts last until the target changes: also when an operator changes it and
// changes it back before the device sends a Hello.
func TestAnEditThatChangesTheTargetFreesADevice(t *testing.T) {
	t.Parallel()
	groups := func(names ...string) fleet.DeviceEdit { return fleet.DeviceEdit{Groups: &names} }
	lock := func(v string) fleet.DeviceEdit { return fleet.DeviceEdit{Lock: ptr(version(v))} }
	for _, row := range []struct {
		name  string
		edits []fleet.DeviceEdit
		frees bool
	}{
		{"leaves the group and joins it again", []fleet.DeviceEdit{groups(), groups("a")}, true},
		{"joins a group with a higher release and leaves it", []fleet.DeviceEdit{groups("a", "b"), groups("a")}, true},
		{"is locked to another version and unlocked", []fleet.DeviceEdit{lock("1"), lock("")}, true},
		{"is marked and unmarked as a development device", []fleet.DeviceEdit{{Development: ptr(true)}, {Development: ptr(false)}}, true},
		{"is locked to the same version", []fleet.DeviceEdit{lock("2"), lock("")}, false},
		{"joins a group without a release", []fleet.DeviceEdit{groups("a", "c")}, false},
		{"is renamed", []fleet.DeviceEdit{{Name: ptr("lamp")}}, false},
	} {
		for _, batch := range []bool{false, true} {
			t.Run(row.name+map[bool]string{true: ", in batches"}[batch], func(t *testing.T) {
				w := newWorld(t)
				c, err := w.store.Catalogs.EditCatalog(t.Context(), 1, func(c *fleet.Catalog) error {
					for _, v := range []string{"1", "2", "3"} {
						c.Firmware[version(v).Key()] = fleet.Firmware{Product: 1, Version: version(v), Size: 1}
					}
					c.Groups[1], c.Groups[2] = version("2"), version("3")
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.store.Teams.CreateGroup(t.Context(), fleet.Group{Team: 1, Name: "c"}); err != nil {
					t.Fatal(err)
				}
				w.change("in-a", func(d *fleet.Device) {
					d.Attempts = fleet.Attempts{Target: version("2"), Since: c.Revision, Held: true, Spent: 3}
				})
				for _, edit := range row.edits {
					if err := w.edits("in-a", edit, batch); err != nil {
						t.Fatal(err)
					}
				}
				if a := w.device("in-a").Attempts; (a.Held || a.Spent > 0) == row.frees {
					t.Errorf("got %+v, want it freed: %v", a, row.frees)
				}
			})
		}
	}
}

// edits changes a device alone, or, as far as there is one, by a batch.
func (w *world) edits(id fleet.DeviceID, edit fleet.DeviceEdit, batch bool) error {
	w.t.Helper()
	one := []fleet.DeviceID{id}
	switch {
	case !batch || edit.Name != nil:
		_, err := w.EditDevice(w.t.Context(), actor(fleet.Owner), 1, id, edit)
		return err
	case edit.Groups != nil:
		return w.EditGroups(w.t.Context(), actor(fleet.Owner), fleet.GroupsEdit{Product: 1, Devices: one, Add: *edit.Groups, Remove: missing(*edit.Groups)})
	}
	return w.EditDevices(w.t.Context(), actor(fleet.Owner), fleet.DevicesEdit{Product: 1, Devices: one, Lock: edit.Lock, Development: edit.Development})
}

// missing are the groups that are not in names.
func missing(names []string) (rest []string) {
	for _, name := range []string{"a", "b"} {
		in := false
		for _, n := range names {
			in = in || n == name
		}
		if !in {
			rest = append(rest, name)
		}
	}
	return rest
}
