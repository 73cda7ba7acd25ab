package registry

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestResumeFinishesABatchAndLeavesOutWhatIsGone(t *testing.T) {
	w := newWorld(t)
	record, err := json.Marshal(batch{
		Team: 1, Product: 1, Email: "ann@example.com", Devices: []fleet.DeviceID{"free", "in-a", "far", "gone"},
		Add: []fleet.GroupID{2, 77}, Remove: []fleet.GroupID{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.journal(string(record), "{", `{"Team":1,"Product":1,"Devices":["in-b"],"Lock":"1.x"}`)
	far := w.device("far")
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []fleet.DeviceID{"free", "in-a"} {
		if got := fmt.Sprint(w.device(id).Groups); got != "[2]" {
			t.Errorf("device %s: got groups %s, want [2]", id, got)
		}
	}
	if fmt.Sprint(w.device("far")) != fmt.Sprint(far) {
		t.Error("a device of another team was changed")
	}
	if left := w.unfinished(); len(left) != 0 {
		t.Errorf("still in the journal: %v", left)
	}
	if log := w.log(); len(log) == 0 || log[len(log)-1].Email != "ann@example.com" || log[len(log)-1].Action != "device.groups" {
		t.Errorf("audit: got %+v", log)
	}
}

func TestABatchLeavesTheJournalWhenItsOutcomeIsKnown(t *testing.T) {
	w := newWorld(t)
	for _, devices := range [][]fleet.DeviceID{{"free"}, {"nobody"}} {
		_ = w.EditGroups(t.Context(), actor(fleet.Admin), fleet.GroupsEdit{Product: 1, Devices: devices, Add: []string{"a"}})
		if left := w.unfinished(); len(left) != 0 {
			t.Errorf("%v: still in the journal: %v", devices, left)
		}
	}
}
