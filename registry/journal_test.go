package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// journalFake is a journal in memory.
type journalFake map[string]string

func (j journalFake) Open(_ context.Context, record string) (string, error) {
	id := fmt.Sprint(len(j))
	j[id] = record
	return id, nil
}

func (j journalFake) Close(_ context.Context, id string) error {
	delete(j, id)
	return nil
}

func (j journalFake) Unfinished(context.Context) (map[string]string, error) {
	return maps.Clone(j), nil
}

func TestResumeFinishesABatchAndLeavesOutWhatIsGone(t *testing.T) {
	w := newWorld(t)
	journal := journalFake{}
	w.config.Journal = journal
	record, err := json.Marshal(batch{
		Team: 1, Product: 1, Email: "ann@example.com", Devices: []fleet.DeviceID{"free", "in-a", "far", "gone"},
		Add: []fleet.GroupID{2, 77}, Remove: []fleet.GroupID{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	journal["cut off"], journal["broken"], journal["unknown version"] = string(record), "{", `{"Team":1,"Product":1,"Devices":["in-b"],"Lock":"1.x"}`
	far := w.records["far"]
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []fleet.DeviceID{"free", "in-a"} {
		if got := fmt.Sprint(w.records[id].Groups); got != "[2]" {
			t.Errorf("device %s: got groups %s, want [2]", id, got)
		}
	}
	if fmt.Sprint(w.records["far"]) != fmt.Sprint(far) {
		t.Error("a device of another team was changed")
	}
	if len(journal) != 0 {
		t.Errorf("still in the journal: %v", journal)
	}
	if last := w.log[len(w.log)-1]; last.Email != "ann@example.com" || last.Action != "device.groups" {
		t.Errorf("audit: got %+v", last)
	}
}

func TestABatchLeavesTheJournalWhenItsOutcomeIsKnown(t *testing.T) {
	w := newWorld(t)
	journal := journalFake{}
	w.config.Journal = journal
	for _, devices := range [][]fleet.DeviceID{{"free"}, {"nobody"}} {
		_ = w.EditGroups(t.Context(), actor(fleet.Admin), fleet.GroupsEdit{Product: 1, Devices: devices, Add: []string{"a"}})
		if len(journal) != 0 {
			t.Errorf("%v: still in the journal: %v", devices, journal)
		}
	}
}
