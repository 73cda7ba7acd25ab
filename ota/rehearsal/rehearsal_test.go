package rehearsal_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/ota/rehearsal"
	"github.com/muster-iot/muster/ota/release"
)

var owner = fleet.Actor{User: 1, Team: otatest.Team, Role: fleet.Owner}

const imageSize = 1 << 20

// world is a fleet with versions 1 and 2, of which 1 is the product default.
type world struct {
	*otatest.Fleet
	*rehearsal.Service
}

func newWorld(t testing.TB, devices int, change ...func(*rehearsal.Config)) *world {
	t.Helper()
	w := &world{Fleet: otatest.New(t)}
	for _, version := range []string{"1", "2"} {
		w.AddFirmware(version, imageSize)
	}
	w.Default("1")
	updates := ota.New(ota.Config{MaxUpdates: 1000, MaxAttempts: 3, CoolDown: []time.Duration{5 * time.Minute, time.Hour}}, w.Store.Devices, w.Store.Catalogs, image.NewChunker(w.Images, 32<<20, 0))
	config := rehearsal.Config{
		Devices: w.Store.Devices, Index: w.Store.Index, OTA: updates, MaxUpdates: 1000, Session: 24 * time.Hour,
		Releases: release.New(release.Config{
			MaxImage: 64 << 20, Devices: w.Store.Devices, Catalogs: w.Store.Catalogs, Teams: w.Store.Teams, Index: w.Store.Index, Images: w.Images,
			OTA: updates, Audit: audit.New(w.Store.Messages, slog.New(slog.DiscardHandler)),
			Announce: func(event.Event) {}, Changed: func(fleet.ProductID, []fleet.DeviceID) {},
		}),
	}
	for _, c := range change {
		c(&config)
	}
	w.Service = rehearsal.New(config)
	records := make([]*fleet.Device, devices)
	for n := range records {
		records[n] = &fleet.Device{ID: fleet.DeviceID(fmt.Sprintf("lamp-%05d", n)), Team: otatest.Team, Product: otatest.Product, Running: otatest.Version("1"), UpdatesOn: true}
	}
	for len(records) > 0 {
		some := min(len(records), 500)
		for _, err := range w.Store.Devices.CreateMany(t.Context(), records[:some]) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range records[:some] {
			w.Store.Index.SetOnline(d.ID, true)
		}
		records = records[some:]
	}
	return w
}

func order(change ...func(*fleet.ReleasePlan)) fleet.ReleaseOrder {
	plan := fleet.CarefulPlan()
	for _, c := range change {
		c(&plan)
	}
	yes := true
	return fleet.ReleaseOrder{Version: otatest.Version("2"), Default: &yes, Plan: &plan}
}

func (w *world) rehearse(t *testing.T, o fleet.ReleaseOrder, faults ...rehearsal.Fault) *rehearsal.Report {
	t.Helper()
	r, err := w.Rehearse(t.Context(), owner, otatest.Product, o, faults)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Check.Agrees {
		t.Errorf("the result is not the impact: %+v", r.Check)
	}
	return r
}

func TestAGoodReleaseReachesEveryone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3000)
	r := w.rehearse(t, order())
	if r.State != fleet.ReleaseDone || r.Confirmed != 3000 || r.Failed+r.Lost+r.Returned != 0 || len(r.Stages) != 4 || r.Check.Expected != 3000 {
		t.Fatalf("got %+v", r)
	}
	const day = 24 * time.Hour
	for i, want := range []time.Duration{0, day, 2 * day, 2*day + 4*time.Hour} { // the holds before
		if got := r.Stages[i].Began; got < want || got > want+day {
			t.Errorf("stage %d began after %s, want %s or somewhat later", i+1, got, want)
		}
	}
	if r.Half == 0 || r.Half > r.Most || r.Most > r.Nearly || r.Nearly > r.Length {
		t.Errorf("half after %s, most after %s, nearly all after %s of %s", r.Half, r.Most, r.Nearly, r.Length)
	}
	if r.Sent != 3000*imageSize || r.Peak < imageSize/100 || len(r.Curve) < 10 || len(r.Curve) > 200 {
		t.Errorf("sent %d bytes, %d a second at most, a curve of %d points", r.Sent, r.Peak, len(r.Curve))
	}
	if len(r.Moves) != 1 || r.Moves[0].Devices != 3000 || r.Moves[0].From.String() != "1" || r.Moves[0].To.String() != "2" {
		t.Errorf("moves: %+v", r.Moves)
	}
}

func TestAFaultIsHaltedInTheStageThatShowsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3000)
	for _, row := range []struct {
		phase rehearsal.Phase
		share fleet.Share
		state fleet.ReleaseState
		lost  bool
	}{
		{rehearsal.AtDownload, 3000, fleet.ReleaseHalted, false}, {rehearsal.AtVerify, 3000, fleet.ReleaseHalted, false},
		{rehearsal.AtApply, 3000, fleet.ReleaseHalted, false}, {rehearsal.AtReturn, 3000, fleet.ReleaseHalted, true},
		{rehearsal.AtVerify, 100, fleet.ReleaseDone, false},
	} {
		r := w.rehearse(t, order(), rehearsal.Fault{Phase: row.phase, Share: row.share})
		if r.State != row.state || row.lost != (r.Lost > 0) {
			t.Errorf("%s: got %s (%s), %d failed, %d lost", row.phase, r.State, r.Why, r.Failed, r.Lost)
		}
		if first := 3000 / 100 * 2; row.state == fleet.ReleaseHalted && (r.Check.Begun > first || len(r.Stages) != 1) {
			t.Errorf("%s: %d devices began in %d stages before it halted", row.phase, r.Check.Begun, len(r.Stages))
		}
	}
}

func TestAHaltThatRevertsSendsDevicesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1000)
	r := w.rehearse(t, order(func(p *fleet.ReleasePlan) { p.Revert, p.Stages = true, p.Stages[1:] }), rehearsal.Fault{Phase: rehearsal.AtVerify, Share: 3000})
	if r.State != fleet.ReleaseReverted || r.Returned == 0 || r.Confirmed != 0 {
		t.Errorf("got %s (%s), %d returned, %d kept it", r.State, r.Why, r.Returned, r.Confirmed)
	}
}

// TestOnlyDevicesOfTheImpactUpdate has devices that can't or must not get the version.
func TestOnlyDevicesOfTheImpactUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 100)
	for id, change := range map[fleet.DeviceID]func(*fleet.Device){
		"locked":      func(d *fleet.Device) { d.Lock = otatest.Version("1") },
		"development": func(d *fleet.Device) { d.Development = true },
		"disabled":    func(d *fleet.Device) { d.Disabled = true },
		"not-now":     func(d *fleet.Device) { d.UpdatesOn = false },
		"small":       func(d *fleet.Device) { d.MaxImage = 1000 },
		"has-it":      func(d *fleet.Device) { d.Running = otatest.Version("2") }, // goes back to 1 meanwhile, as what it runs is not released
	} {
		w.Device(id, "1", change)
		w.Store.Index.SetOnline(id.In(1), true)
	}
	w.Device("away", "1")
	r := w.rehearse(t, order(func(p *fleet.ReleasePlan) { p.Sample = 1 }))
	if r.Confirmed != 101 || r.Check != (rehearsal.Check{Expected: 101, Begun: 100, Absent: 1, Agrees: true}) {
		t.Errorf("got %d confirmed, %+v", r.Confirmed, r.Check)
	}
}

func TestWindowsAndLimitsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 200)
	r := w.rehearse(t, order(func(p *fleet.ReleasePlan) {
		p.Stages = []fleet.ReleaseStage{{Share: fleet.Whole, Hold: 10 * 24 * time.Hour}}
		p.Windows = []calendar.Window{{From: time.Hour, To: 2 * time.Hour, Zone: "UTC"}}
		p.Limits = fleet.ReleaseLimits{AtOnce: 5}
	}))
	if r.Confirmed != 200 || r.Peak > 5*64<<10 {
		t.Errorf("%d confirmed, at most %d bytes a second: 5 devices at once take %d", r.Confirmed, r.Peak, 5*64<<10)
	}
	for _, m := range r.Curve {
		if at := r.Began.Add(m.At); m.Updating > 5 || m.Updating > 0 && at.Hour() != 1 && at.Hour() != 2 {
			t.Errorf("at %s %d devices update", at, m.Updating)
		}
	}
}

func TestWhatDevicesHaveShownIsExpectedOfThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 50)
	slow := w.Record("lamp-00007")
	start := time.Now().Add(-48 * time.Hour)
	slow.Update = fleet.Update{To: otatest.Version("1"), Size: imageSize, State: fleet.Confirmed, Started: start, Stored: start.Add(10 * time.Hour), Applied: start.Add(10 * time.Hour), Changed: start.Add(10*time.Hour + time.Minute)}
	w.Save(&slow)
	r := w.rehearse(t, order(func(p *fleet.ReleasePlan) {
		p.Stages = []fleet.ReleaseStage{{Share: fleet.Whole, Hold: 5 * 24 * time.Hour}}
	}))
	if r.Confirmed != 50 || r.Nearly < 10*time.Hour || r.Half > 25*time.Hour {
		t.Errorf("half after %s, all after %s: one device takes ten hours", r.Half, r.Nearly)
	}
}

func TestARehearsalChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20)
	revision, record := w.Catalog().Revision, w.Record("lamp-00003")
	w.rehearse(t, order())
	after := w.Record("lamp-00003")
	if w.Catalog().Revision != revision || len(w.Catalog().Staged) > 0 || after.Revision != record.Revision || !after.Update.To.IsZero() {
		t.Error("the fleet has changed")
	}
}

func TestARehearsalIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	o := order()
	o.Plan = nil
	for _, row := range []struct {
		name   string
		actor  fleet.Actor
		order  fleet.ReleaseOrder
		faults []rehearsal.Fault
		want   fleet.Kind
	}{
		{"no plan", owner, o, nil, fleet.Invalid},
		{"an unknown phase", owner, order(), []rehearsal.Fault{{Phase: "boot", Share: 100}}, fleet.Invalid},
		{"a viewer", fleet.Actor{Team: otatest.Team, Role: fleet.Viewer}, order(), nil, fleet.Denied},
		{"an editor, of the default", fleet.Actor{Team: otatest.Team, Role: fleet.Editor}, order(), nil, fleet.Denied},
		{"another team", fleet.Actor{Team: otatest.Team + 1, Role: fleet.Owner}, order(), nil, fleet.NotFound},
	} {
		if _, err := w.Rehearse(t.Context(), row.actor, otatest.Product, row.order, row.faults); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
}

func BenchmarkRehearse5000Devices(b *testing.B) {
	w := newWorld(b, 5000)
	for b.Loop() {
		r, err := w.Rehearse(b.Context(), owner, otatest.Product, order(), []rehearsal.Fault{{Phase: rehearsal.AtVerify, Share: 100}})
		if err != nil || r.State != fleet.ReleaseDone {
			b.Fatal(r, err)
		}
	}
}
