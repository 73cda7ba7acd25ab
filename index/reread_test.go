package index

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestARereadingMakesTheIndexEqualToTheRecords(t *testing.T) {
	x := New()
	at := func(id fleet.DeviceID, revision uint64, name string) *fleet.Device {
		return &fleet.Device{ID: id, Team: 1, Product: 1, Revision: revision, Name: name}
	}
	for _, id := range []fleet.DeviceID{"same", "other write", "older", "gone", "written", "removed", "moved"} {
		x.Put(at(id, 5, "before"))
	}
	x.SetOnline("older", true)
	x.Finish()

	r := x.Reread(nil)
	x.Put(at("written", 7, "by this process"))
	x.Remove("removed")
	x.Put(at("new", 1, "by this process"))
	r.Put(at("same", 5, "before"))
	r.Put(at("other write", 5, "read")) // after a fail-over
	r.Put(at("older", 3, "read"))
	r.Put(at("written", 6, "read"))
	r.Put(at("removed", 5, "read"))
	moved := at("moved", 5, "read")
	moved.Team = 2
	r.Put(moved)
	if changed := r.Finish(true); changed != 3 { // older, gone, moved
		t.Errorf("%d were corrected, want 3", changed)
	}
	for id, want := range map[fleet.DeviceID]string{"same": "before", "other write": "read", "older": "read", "written": "by this process", "new": "by this process", "moved": "read"} {
		if e, err := x.Entry(id); err != nil || e.Name != want {
			t.Errorf("%s: got %q, %v, want %q", id, e.Name, err, want)
		}
	}
	for _, id := range []fleet.DeviceID{"gone", "removed"} {
		if e, err := x.Entry(id); err == nil {
			t.Errorf("%s is there: %+v", id, e)
		}
	}
	if e, err := x.Entry("older"); err != nil || !e.Online {
		t.Errorf("got %+v, %v, want it online", e, err)
	}
	ids, err := x.IDs(fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Owner}})
	if err != nil || len(ids) != 5 {
		t.Errorf("team 1 lists %v, %v", ids, err)
	}
}
