//nolint:forbidigo // all sleeps are in synctest bubbles
package ota

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// stones gives w versions 1 to 4, of which 3 requires 2, and 4 requires a version that was
// never uploaded; default 3, and one device that runs 1.
func (w *world) stones() *world {
	for _, version := range []string{"1", "2", "3", "4"} {
		w.AddFirmware(version, 20_000)
	}
	w.requires("3", "2")
	w.requires("4", "3.5.0")
	w.Default("3")
	w.Device("a", "1")
	return w
}

// requires makes a version installable over another one and higher ones only.
func (w *world) requires(version, from string) {
	w.EditCatalog(func(c *fleet.Catalog) {
		f := c.Firmware[v(version).Key()]
		f.Requires.From = v(from)
		c.Firmware[f.Version.Key()] = f
	})
}

func TestADeviceGetsToItsTargetBySteppingStones(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{}).stones()
	r, p := w.connect("a", "1")
	if len(r.offers) != 1 || r.offers[0].Version.String() != "2" || p.Target.String() != "3" {
		t.Fatalf("got offers %v, target %s; want 2 on the way to 3", r.offers, p.Target)
	}
	if u := w.state(t, "a", fleet.Offered); u.Goal.String() != "3" || u.Target().String() != "3" || u.To.String() != "2" {
		t.Errorf("got %+v", u)
	}
	r.report(wire.ReportApplying)
	r, p = w.connect("a", "2")
	if len(p.Ended) != 1 || p.Ended[0].State != fleet.Confirmed || len(r.offers) != 1 || r.offers[0].Version.String() != "3" {
		t.Fatalf("got %+v, offers %v; want 2 confirmed and 3 offered in the same handshake", p.Ended, r.offers)
	}
	if u := w.Record("a").Update; !u.Goal.IsZero() || u.Attempt != 1 {
		t.Errorf("got %+v", u)
	}
	r.report(wire.ReportApplying)
	if r, p = w.connect("a", "3"); len(r.offers) != 0 || p.Ended[0].State != fleet.Confirmed || w.Record("a").Attempts.Spent != 0 {
		t.Errorf("got offers %v, %+v", r.offers, w.Record("a").Attempts)
	}
}

// TestAttemptsCountAtTheTarget: those at a stepping stone and those at the target add up.
func TestAttemptsCountAtTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t, Config{CoolDown: []time.Duration{time.Minute}}).stones()
		for n, row := range []struct {
			runs, offered, comesBack string
			spent                    int
		}{
			{"1", "2", "1", 1}, {"1", "2", "2", 1}, {"2", "3", "2", 2}, {"2", "3", "2", 3},
		} {
			r, _ := w.connect("a", row.runs)
			if len(r.offers) != 1 || r.offers[0].Version.String() != row.offered {
				t.Fatalf("step %d: got offers %v, want %s", n, r.offers, row.offered)
			}
			r.report(wire.ReportApplying)
			r, _ = w.connect("a", row.comesBack)
			if a := w.Record("a").Attempts; a.Spent != row.spent || a.Target.String() != "3" {
				t.Fatalf("step %d: got %+v, want %d spent at 3", n, a, row.spent)
			}
			r.gone()
			time.Sleep(time.Minute)
		}
		d := w.Record("a")
		if r, p := w.connect("a", "2"); len(r.offers) != 0 || p.Refused != wire.ReasonOther || !w.Exhausted(&d) {
			t.Errorf("got offers %v, refused %d", r.offers, p.Refused)
		}
		w.Default("4") // another target
		w.requires("4", "2")
		if r, _ := w.connect("a", "2"); len(r.offers) != 1 || r.offers[0].Version.String() != "4" {
			t.Errorf("got offers %v, want 4", r.offers)
		}
	})
}

func TestADeviceWithoutAWayCostsNothingAndIsReportedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{}).stones()
	w.Default("4")
	r, p := w.connect("a", "1")
	want := "no way from 1: 4 can only be installed over >=3.5.0, and no uploaded version leads there"
	if len(r.offers) != 0 || !p.NoWay || p.Refused != wire.ReasonOther || p.Why != want || p.Again != 0 {
		t.Fatalf("got offers %v, %+v", r.offers, p)
	}
	for range 4 {
		if _, p = w.connect("a", "1"); p.NoWay || p.Why != want || w.Record("a").Attempts.Spent != 0 {
			t.Fatalf("again: got %+v, %+v", p, w.Record("a").Attempts)
		}
	}
	w.requires("4", "2")
	if r, _ = w.connect("a", "1"); len(r.offers) != 1 || r.offers[0].Version.String() != "2" || w.Record("a").Attempts.NoWay {
		t.Errorf("with a way: got offers %v, %+v", r.offers, w.Record("a").Attempts)
	}
	w.requires("4", "3.5.0")
	if _, p = w.connect("a", "1"); !p.NoWay || len(p.Ended) != 1 || p.Ended[0].State != fleet.Superseded {
		t.Errorf("without a way again: got %+v", p)
	}
}

func TestASteppingStoneEndsWithItsTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{}).stones()
	r, _ := w.connect("a", "1")
	w.Default("2")
	p := r.again(AtChange)
	if len(p.Ended) != 1 || p.Ended[0].State != fleet.Superseded || len(r.offers) != 2 || !w.Record("a").Update.Goal.IsZero() {
		t.Fatalf("got %+v, offers %v", p.Ended, r.offers)
	}
	w.Default("3")
	r.again(AtChange)
	if err := w.Stop(t.Context(), "1/a", func(*fleet.Device) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if a := w.Record("a").Attempts; !a.Held || a.Target.String() != "3" {
		t.Errorf("stopped at a stepping stone: got %+v, want held at 3", a)
	}
	if r, _ := w.connect("a", "1"); len(r.offers) != 0 {
		t.Errorf("held: got offers %v", r.offers)
	}
}
