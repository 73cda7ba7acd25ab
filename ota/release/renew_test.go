package release

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func (w *world) release(version string) {
	w.T.Helper()
	if _, err := w.Release(w.T.Context(), admin, product, fleet.ReleaseOrder{Version: v(version)}); err != nil {
		w.T.Fatal(err)
	}
}

// A stop and spent attempts last until the target changes, whoever changes it and whether or not
// the device sends a Hello in between.
func TestAChangeOfTheTargetFreesADevice(t *testing.T) {
	spent := func(d *fleet.Device) { d.Attempts.Spent = 3 }
	for _, row := range []struct {
		name   string
		hold   func(*world)
		change func(*world)
		frees  bool
		due    int // devices that get version 2 when it is released once more: all but the held one
	}{
		{"stopped; the release goes to another version and back", nil, func(w *world) { w.release("3"); w.release("2") }, true, 4},
		{"stopped; the same with a Hello in between", nil, func(w *world) { w.release("3"); w.connect("plain", "1"); w.release("2") }, true, 4},
		{"stopped; the version in between is what runs", nil, func(w *world) { w.release("1"); w.connect("plain", "1"); w.release("2") }, true, 4},
		{"stopped; the release ends and comes back", nil, func(w *world) {
			off, groups := false, []fleet.GroupID{}
			if _, err := w.Release(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("2"), Default: &off, Groups: &groups}); err != nil {
				t.Fatal(err)
			}
			w.release("2")
		}, true, 4},
		{"attempts spent; the release goes to another version and back", func(w *world) { w.Edit("plain", spent) }, func(w *world) { w.release("3"); w.release("2") }, true, 4},
		{"stopped; the same version is released again", nil, func(w *world) { w.release("2") }, false, 3},
		{"stopped; a group that is not the device's gets another release", nil, func(w *world) {
			if _, err := w.Release(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("3"), Groups: &[]fleet.GroupID{eu}}); err != nil {
				t.Fatal(err)
			}
		}, false, 1},
		{"stopped; a Hello", nil, func(w *world) { w.connect("plain", "1") }, false, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := shop(t)
			w.release("2")
			w.connect("plain", "1")
			if err := w.Stop(t.Context(), admin, "plain"); err != nil {
				t.Fatal(err)
			}
			if row.hold != nil {
				row.hold(w)
			}
			row.change(w)
			impact, err := w.Impact(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("2")})
			if err != nil {
				t.Fatal(err)
			}
			why, err := w.Why(t.Context(), admin, "plain")
			if err != nil {
				t.Fatal(err)
			}
			held := false
			for _, s := range why.Steps {
				held = held || s.Outcome == "holds it back"
			}
			r := w.connect("plain", "1")
			if offered := len(r.offers) == 1; offered != row.frees || held == row.frees {
				t.Errorf("got %d offers, why says held %v; want it freed: %v", len(r.offers), held, row.frees)
			}
			if want := row.due; impact.Due != want || impact.Total != 0 {
				t.Errorf("got an impact of %d and %d due, want 0 and %d", impact.Total, impact.Due, want)
			}
		})
	}
}
