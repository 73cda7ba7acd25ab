package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

func TestStopHoldsUntilRetry(t *testing.T) {
	w := shop(t)
	w.Default("2")
	r := w.connect("plain", "1")
	if err := w.Stop(t.Context(), viewer, "plain"); !errors.Is(err, fleet.Denied) {
		t.Errorf("viewer: got %v, want denied", err)
	}
	if err := w.Stop(t.Context(), other, "plain"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another team: got %v, want not found", err)
	}
	if err := w.Stop(t.Context(), editor, "plain"); err != nil {
		t.Fatal(err)
	}
	if r.queued != 0 || len(r.stops) != 1 || r.stops[0].Reason != wire.ReasonStopped || w.updates.Stats().Running != 0 {
		t.Errorf("got %d chunks queued, stops %v", r.queued, r.stops)
	}
	if d := w.Record("plain"); d.Update.State != fleet.Stopped || d.Attempts.Spent != 0 || !d.Attempts.Held {
		t.Errorf("got %+v", d)
	}
	if p := r.decide(ota.AtHello); p.Refused != wire.ReasonStopped || len(r.offers) != 1 {
		t.Errorf("held: got refused %d, %d offers", p.Refused, len(r.offers))
	}
	if err := w.Stop(t.Context(), editor, "plain"); !errors.Is(err, fleet.Conflict) {
		t.Errorf("twice: got %v, want conflict", err)
	}
	if err := w.Retry(t.Context(), editor, "plain"); err != nil || fmt.Sprint(w.ready) != "[plain]" {
		t.Errorf("got %v, ready %v", err, w.ready)
	}
	if r.decide(ota.AtSlot); len(r.offers) != 2 || r.offers[0].Update == r.offers[1].Update {
		t.Errorf("retried: got offers %v", r.offers)
	}
	r.report(wire.ReportStored, wire.ReasonNone)
	if err := w.Stop(t.Context(), editor, "plain"); err != nil || len(r.stops) != 2 {
		t.Errorf("stored: got %v, stops %v", err, r.stops)
	}
}

func TestStopAfterApplyingIsRefused(t *testing.T) {
	w := shop(t)
	w.Default("2")
	r := w.connect("plain", "1")
	r.report(wire.ReportApplying, wire.ReasonNone)
	if err := w.Stop(t.Context(), admin, "plain"); !errors.Is(err, fleet.Conflict) || len(r.stops) != 0 {
		t.Errorf("got %v, stops %v; want conflict, none", err, r.stops)
	}
}

func TestUpdatesListsEachDevicesNewest(t *testing.T) {
	w := shop(t)
	w.Default("2")
	for _, id := range []fleet.DeviceID{"plain", "beta", "eu"} {
		r := w.connect(id, "1")
		if id == "beta" {
			r.report(wire.ReportFailed, wire.ReasonStorage)
		}
	}
	ids := func(q fleet.UpdateQuery) (s string) {
		t.Helper()
		for {
			list, next, err := w.Updates(t.Context(), q.Actor, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range list {
				s += fmt.Sprintf("%s:%s ", u.Device, u.State)
			}
			if q.After = next; next == "" {
				return s
			}
		}
	}
	for _, row := range []struct {
		name string
		q    fleet.UpdateQuery
		want string
	}{
		{"all, page by page", fleet.UpdateQuery{Actor: admin, Product: product, Limit: 1}, "beta:failed eu:offered plain:offered "},
		{"by state", fleet.UpdateQuery{Actor: admin, Product: product, States: []fleet.UpdateState{fleet.Failed}}, "beta:failed "},
		{"by version", fleet.UpdateQuery{Actor: admin, Product: product, Version: v("3")}, ""},
		{"visible ones", fleet.UpdateQuery{Actor: viewer, Product: product}, "beta:failed plain:offered "},
		{"one device", fleet.UpdateQuery{Actor: admin, Device: "plain"}, "plain:offered "},
		{"one device's history", fleet.UpdateQuery{Actor: admin, Device: "beta"}, "beta:failed "},
	} {
		if got := ids(row.q); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
	if _, _, err := w.Updates(t.Context(), viewer, fleet.UpdateQuery{Actor: viewer, Device: "eu"}); !errors.Is(err, fleet.NotFound) {
		t.Errorf("out of sight: got %v, want not found", err)
	}
}

func TestWhy(t *testing.T) {
	w := shop(t)
	w.Default("1")
	w.ReleaseTo(beta, "2")
	w.ReleaseTo(eu, "3")
	outcome := func(actor fleet.Actor, id fleet.DeviceID, rule precedence.Rule) string {
		t.Helper()
		trace, err := w.Why(t.Context(), actor, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range slices.Backward(trace.Steps) {
			if step.Rule == rule {
				return string(step.Outcome) + ": " + step.String()
			}
		}
		return ""
	}
	trace, err := w.Why(t.Context(), editor, "both")
	if err != nil || trace.Target.String() != "3" || trace.Reason != fleet.BecauseGroup {
		t.Errorf("got %+v, %v", trace, err)
	}
	for _, step := range trace.Steps {
		if strings.Contains(step.String(), "eu") {
			t.Errorf("the name of a hidden group shows: %+v", step)
		}
	}
	if got, want := outcome(viewer, "beta", "capacity"), "free: how many updates run is shown to the owner and admins"; got != want {
		t.Errorf("the installation's slots, for a viewer: got %q, want %q", got, want)
	}
	if _, err := w.Why(t.Context(), editor, "eu"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("out of sight: got %v, want not found", err)
	}
	if _, err := w.Why(t.Context(), other, "plain"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another team: got %v, want not found", err)
	}
	for _, row := range []struct {
		name   string
		id     fleet.DeviceID
		change func(*fleet.Device)
		rule   precedence.Rule
		want   string
	}{
		{"runs it", "done", nil, "running", "same: it runs 2 already, by version only"},
		{"runs it, by its digest", "done", func(d *fleet.Device) { d.Proven = true }, "running", "same: it runs 2 already, by its digest"},
		{"runs it under another label", "done", func(d *fleet.Device) { d.Proven, d.Label = true, v("1") }, "running", "same: it runs 2 already, by its digest; it calls that 1"},
		{"differs", "beta", nil, "running", "differs: it runs 1, not 2"},
		{"development", "dev", nil, "running", "kept: it keeps 1"},
		{"not now", "notnow", nil, "updates", `holds it back: the device says "not now"`},
		{"attempts", "beta", func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("2"), Spent: 1} }, "attempts", "passes: 1 of 3 attempts spent"},
		{"exhausted", "beta", func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("2"), Spent: 3} }, "attempts", "holds it back: exhausted: 3 of 3 attempts spent; nothing until the target changes or someone retries"},
		{"held", "beta", func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("2"), Held: true} }, "hold", "holds it back: stopped by an operator: nothing until the target changes or someone retries"},
		{"capacity", "beta", nil, "capacity", "free: 0 of 1000 updates run"},
		{"flash", "dev", func(d *fleet.Device) { d.Flash = v("3") }, "flash", "applies: an operator sends 3 once, whatever the rules say"},
		{"handshake", "beta", func(d *fleet.Device) { d.LastHandshake = time.Unix(0, 0) }, "handshake", "awaited: it is decided at the next handshake; the last one was at 1970-01-01T00:00:00Z"},
		{"no handshake yet", "beta", nil, "handshake", "awaited: it is decided at its first handshake; it has had none yet"},
	} {
		kept := w.Record(row.id)
		if row.change != nil {
			w.Edit(row.id, row.change)
			w.Edit(row.id, func(d *fleet.Device) { d.Attempts.Since = w.Catalog().Revision })
		}
		if got := outcome(admin, row.id, row.rule); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
		w.Edit(row.id, func(d *fleet.Device) {
			kept.Revision, kept.Base = d.Revision, d.Base
			*d = kept
		})
	}
}

func TestABLEDeviceIsSeenThroughItsGatewayButNotChanged(t *testing.T) {
	w := shop(t)
	w.Default("2")
	w.Device("gw", "1", func(d *fleet.Device) { d.Kind, d.Groups = fleet.Gateway, []fleet.GroupID{beta} })
	w.Device("ble", "1", func(d *fleet.Device) {
		d.Kind, d.Gateway, d.Groups = fleet.BLE, "gw", []fleet.GroupID{eu}
		d.Update = fleet.Update{To: v("2"), State: fleet.Downloading}
	})
	if _, err := w.Why(t.Context(), editor, "ble"); err != nil {
		t.Errorf("why: got %v, want none", err)
	}
	if err := w.Stop(t.Context(), editor, "ble"); !errors.Is(err, fleet.Denied) {
		t.Errorf("stop: got %v, want denied", err)
	}
	list, _, err := w.Updates(t.Context(), editor, fleet.UpdateQuery{Actor: editor, Product: product})
	if err != nil || len(list) != 1 || list[0].Device != "1/ble" {
		t.Errorf("updates: got %v, %v", list, err)
	}
}

// Updates begin and end while somebody pages through them: none that was there throughout is
// missed or shown twice.
func TestPagesOfUpdatesMissNothingThatIsThereThroughout(t *testing.T) {
	w := shop(t)
	update := func(n byte, state fleet.UpdateState) fleet.Update {
		return fleet.Update{ID: fleet.UpdateID{n}, To: v("2"), State: state, Changed: time.Now()}
	}
	for n := byte(1); n <= 5; n++ {
		d := w.Record("beta")
		w.Save(&d, update(n, fleet.Failed))
	}
	w.Edit("beta", func(d *fleet.Device) { d.Update = update(6, fleet.Downloading) })
	var seen []fleet.UpdateID
	q := fleet.UpdateQuery{Actor: admin, Device: "beta", Limit: 2}
	for page := byte(0); page == 0 || q.After != ""; page++ {
		list, next, err := w.Updates(t.Context(), admin, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range list {
			seen = append(seen, u.ID)
		}
		q.After = next
		d := w.Record("beta")
		ended := d.Update
		ended.State = fleet.Confirmed
		d.Update = update(7+page, fleet.Downloading)
		w.Save(&d, ended)
	}
	if want := []fleet.UpdateID{{6}, {5}, {4}, {3}, {2}, {1}}; !slices.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
	q.After = "3"
	if _, _, err := w.Updates(t.Context(), admin, q); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a cursor of another list: got %v, want Invalid", err)
	}
}

// The same for the list of a product, whose cursor is the id of a device.
func TestPagesOfAProductsUpdatesMissNoDeviceThatIsThereThroughout(t *testing.T) {
	t.Parallel()
	w := empty(t)
	w.AddFirmware("2", 100)
	add := func(id fleet.DeviceID) {
		w.Device(id, "1", func(d *fleet.Device) { d.Update = fleet.Update{To: v("2"), State: fleet.Failed} })
	}
	for _, id := range []fleet.DeviceID{"b", "d", "f", "h", "j"} {
		add(id)
	}
	comes, goes := []fleet.DeviceID{"a", "i", "c"}, []fleet.DeviceID{"b", "f", "d"}
	var seen []fleet.DeviceID
	q := fleet.UpdateQuery{Actor: admin, Product: product, Limit: 2}
	for page := 0; page == 0 || q.After != ""; page++ {
		list, next, err := w.Updates(t.Context(), admin, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range list {
			seen = append(seen, u.Device)
		}
		if q.After = next; page < len(comes) {
			add(comes[page])
			if err := w.Store.Devices.Delete(t.Context(), goes[page].In(1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := []fleet.DeviceID{"1/b", "1/d", "1/f", "1/h", "1/i", "1/j"}; !slices.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}
