package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/spool"
)

func TestResumeFinishesABatchAndLeavesOutWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record, err := json.Marshal(batch{
		Team: 1, Product: 1, Email: "ann@example.com", Devices: []fleet.DeviceID{"free", "in-a", "2/far", "gone"},
		Add: []fleet.GroupID{2, 77}, Remove: []fleet.GroupID{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.journal(string(record), "{", `{"Team":1,"Product":1,"Devices":["in-b"],"Lock":"1.x"}`)
	far := w.device("2/far")
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []fleet.DeviceID{"free", "in-a"} {
		if got := fmt.Sprint(w.device(id).Groups); got != "[2]" {
			t.Errorf("device %s: got groups %s, want [2]", id, got)
		}
	}
	if fmt.Sprint(w.device("2/far")) != fmt.Sprint(far) {
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
	t.Parallel()
	w := newWorld(t)
	for _, devices := range [][]fleet.DeviceID{{"free"}, {"nobody"}} {
		_ = w.EditGroups(t.Context(), actor(fleet.Admin), fleet.GroupsEdit{Product: 1, Devices: devices, Add: []string{"a"}})
		if left := w.unfinished(); len(left) != 0 {
			t.Errorf("%v: still in the journal: %v", devices, left)
		}
	}
}

// away is a journal whose Redis is away from one call on: it carries the call out, or not, and
// answers none from then on.
type away struct {
	entries
	from    string // open or close
	carried bool   // Redis carried out that call
	gone    atomic.Bool
}

func (a *away) fails(call string) bool {
	if call == a.from {
		a.gone.Store(true)
	}
	return a.gone.Load()
}

func (a *away) Open(ctx context.Context, record string) (string, error) {
	if !a.fails("open") {
		return a.entries.Open(ctx, record)
	}
	if !a.carried {
		return "lost", fleet.Errorf(fleet.Unavailable, "redis does not answer")
	}
	id, _ := a.entries.Open(ctx, record)
	return id, fleet.Errorf(fleet.Unavailable, "redis does not answer")
}

func (a *away) Close(ctx context.Context, id string) error {
	if a.fails("close") {
		return fleet.Errorf(fleet.Unavailable, "redis does not answer")
	}
	return a.entries.Close(ctx, id)
}

func (a *away) Fence(ctx context.Context, id string) error {
	if a.gone.Load() {
		return fleet.Errorf(fleet.Unavailable, "redis does not answer")
	}
	return a.entries.Fence(ctx, id)
}

// TestABatchThatWasAnsweredDoesNotRunAgain takes a batch back after Redis was away while it
// was opened or closed, and starts again.
func TestABatchThatWasAnsweredDoesNotRunAgain(t *testing.T) {
	t.Parallel()
	lock := version("1")
	for name, row := range map[string]struct {
		from    string
		carried bool
		batch   func(*world) error
		back    func(*world) error
	}{
		"groups, opened unnoticed, taken back as a batch": {"open", true, joinA, leaveA},
		"groups, never opened, taken back as a batch":     {"open", false, joinA, leaveA},
		"groups, not closed, taken back as a batch":       {"close", false, joinA, leaveA},
		"lock, not closed, taken back for the device": {"close", false,
			func(w *world) error {
				return w.EditDevices(w.t.Context(), actor(fleet.Owner), fleet.DevicesEdit{Product: 1, Devices: []fleet.DeviceID{"free"}, Lock: &lock})
			},
			func(w *world) error {
				_, err := w.EditDevice(w.t.Context(), actor(fleet.Owner), 1, "free", fleet.DeviceEdit{Lock: &fleet.Version{}})
				return err
			}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			outage := &away{entries: w.store.Journal, from: row.from, carried: row.carried}
			w.Registry.entries = outage
			_ = row.batch(w)
			if err := row.back(w); err == nil {
				t.Error("a newer change was accepted while the older batch is in the journal")
			}
			outage.from = ""
			outage.gone.Store(false)
			if err := row.back(w); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprint(w.device("free"))
			next := New(w.config) // of the next process
			if err := next.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(w.device("free")); got != want {
				t.Errorf("after the restart:\n%s, want\n%s", got, want)
			}
			if left := w.unfinished(); len(left) != 0 {
				t.Errorf("still in the journal: %v", left)
			}
		})
	}
}

func TestABatchThatWasAnsweredDoesNotRunAgainAfterAStopInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	outage := &away{entries: w.store.Journal, from: "open", carried: true}
	w.Registry.entries = outage
	if err := joinA(w); err == nil {
		t.Fatal("the outage was not noticed")
	}
	outage.gone.Store(false)
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := w.unfinished(); len(left) != 0 {
		t.Errorf("still in the journal: %v", left)
	}
}

func joinA(w *world) error {
	return w.EditGroups(w.t.Context(), actor(fleet.Owner), fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free"}, Add: []string{"a"}})
}

func leaveA(w *world) error {
	return w.EditGroups(w.t.Context(), actor(fleet.Owner), fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free"}, Remove: []string{"a"}})
}

// TestABatchThatWasAnsweredDoesNotRunAgainAfterAKill ends the process while Redis is away: the next
// one only has what is on disk.
func TestABatchThatWasAnsweredDoesNotRunAgainAfterAKill(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]string{"opened unnoticed": "open", "not closed": "close"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			path := filepath.Join(t.TempDir(), "fences")
			w.config.Fences = must[*spool.Spool](t)(spool.Open(path, 4096))
			killed := New(w.config)
			killed.entries = &away{entries: w.store.Journal, from: from, carried: true}
			_ = killed.EditGroups(t.Context(), actor(fleet.Owner), fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free"}, Add: []string{"a"}})
			if len(w.unfinished()) == 0 {
				t.Fatal("nothing is left in the journal")
			}
			if _, err := w.store.Devices.Edit(t.Context(), "1/free", func(d *fleet.Device) error { d.Groups = nil; return nil }); err != nil {
				t.Fatal(err)
			}
			fences := must[*spool.Spool](t)(spool.Open(path, 4096))
			w.config.Fences = fences
			if err := New(w.config).Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := w.device("free").Groups; len(got) != 0 {
				t.Errorf("the batch ran again: the device is in %v", got)
			}
			if left := w.unfinished(); len(left) != 0 || len(fences.Lines()) != 0 {
				t.Errorf("still in the journal: %v, on disk: %v", left, fences.Lines())
			}
		})
	}
}

// terms marks the work of batches, as a journal that others use does, and holds what changes devices to it.
type terms struct {
	entries
	records
	t *testing.T
}

type inTermKey struct{}

func (s terms) InTerm(ctx context.Context) context.Context {
	return context.WithValue(ctx, inTermKey{}, true)
}

func (s terms) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	if ctx.Value(inTermKey{}) == nil {
		s.t.Errorf("%s is changed whether or not others have taken the batch over", id)
	}
	return s.records.Edit(ctx, id, change)
}

func TestABatchChangesDevicesInTheTermOfItsJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both := terms{w.store.Journal, w.store.Devices, t}
	w.Registry.entries, w.Registry.devices = both, both
	if err := joinA(w); err != nil {
		t.Fatal(err)
	}
	w.journal(`{"Team":1,"Product":1,"Devices":["in-b"],"Lock":"1"}`)
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
}
