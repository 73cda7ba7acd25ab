//nolint:forbidigo // all sleeps are in synctest bubbles
package ota

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// one is a world with versions 1 to 3, default 2, and one device that runs 1.
func one(t testing.TB, cfg Config) *world { return newWorld(t, cfg).withOne() }

func oneInBubble(t testing.TB, cfg Config) *world { return inBubble(t, cfg).withOne() }

func (w *world) withOne() *world {
	for _, version := range []string{"1", "2", "3"} {
		w.AddFirmware(version, 100_000)
	}
	w.Default("2")
	w.Device("a", "1")
	return w
}

func (w *world) state(t *testing.T, id fleet.DeviceID, want fleet.UpdateState) fleet.Update {
	t.Helper()
	u := w.Record(id).Update
	if u.State != want {
		t.Fatalf("got update %s, want %s", u.State, want)
	}
	return u
}

func TestOnlyTheNextHandshakeConfirms(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, p := w.connect("a", "1")
	if p.Because != fleet.BecauseDefault || p.Welcome(1).Target.String() != "2" {
		t.Errorf("got %s %+v", p.Because, p.Welcome(1))
	}
	w.state(t, "a", fleet.Offered)
	r.report(wire.ReportDownloading, func(p *wire.Report) { p.Next = 8 })
	if u := w.state(t, "a", fleet.Downloading); u.Next != 8*4096 {
		t.Errorf("got %d bytes held, want %d", u.Next, 8*4096)
	}
	r.download()
	if r.chunks != int(r.offers[0].Count) {
		t.Errorf("got %d chunks, want %d", r.chunks, r.offers[0].Count)
	}
	r.report(wire.ReportStored)
	w.state(t, "a", fleet.Stored)
	if w.Stats().Running != 0 {
		t.Error("a stored image keeps its slot")
	}
	r.report(wire.ReportApplying)
	w.state(t, "a", fleet.Applying)
	r.gone()
	if len(w.History("a")) != 0 {
		t.Errorf("in the history before it was confirmed: %v", w.History("a"))
	}
	r, _ = w.connect("a", "2")
	u := w.state(t, "a", fleet.Confirmed)
	if len(r.offers) != 0 || len(w.History("a")) != 1 || w.History("a")[0] != u {
		t.Errorf("got offers %v, history %v", r.offers, w.History("a"))
	}
	if w.Record("a").Attempts.Spent != 0 {
		t.Error("success cost an attempt")
	}
}

func TestALostConnectionContinuesTheSameUpdateAndCostsNothing(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.take(5)
	id := r.offers[0].Update
	got := r.got
	r.gone()
	r, _ = w.connect("a", "1", func(h *wire.Hello) {
		h.Partial = &wire.Partial{Image: w.Record("a").Update.Digest.Image(), Next: 5, Chunk: h.Chunk}
	})
	if len(r.offers) != 1 || r.offers[0].Update != id || r.offers[0].First != 5 {
		t.Fatalf("got offers %+v, want update %s from 5", r.offers, id)
	}
	r.got = got
	r.download()
	if r.chunks != int(r.offers[0].Count)-5 {
		t.Errorf("got %d chunks, want %d", r.chunks, r.offers[0].Count-5)
	}
	if w.Record("a").Attempts.Spent != 0 || w.Record("a").Update.Attempt != 1 || w.Stats().Continued != 1 {
		t.Errorf("got %+v, attempt %d", w.Record("a").Attempts, w.Record("a").Update.Attempt)
	}
}

func TestRolledBackThreeTimesIsExhaustedUntilTheTargetChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := oneInBubble(t, Config{CoolDown: []time.Duration{time.Minute, 10 * time.Minute}})
		for i, wait := range []time.Duration{time.Minute, 10 * time.Minute, 10 * time.Minute} {
			r, _ := w.connect("a", "1")
			if len(r.offers) != 1 || w.Record("a").Update.Attempt != i+1 {
				t.Fatalf("attempt %d: got offers %v, attempt %d", i+1, r.offers, w.Record("a").Update.Attempt)
			}
			r.report(wire.ReportApplying)
			r.gone()
			time.Sleep(time.Second)
			r, p := w.connect("a", "1")
			w.state(t, "a", fleet.RolledBack)
			if len(r.offers) != 0 || i < 2 && p.Again != wait {
				t.Errorf("attempt %d: got offers %v, again %s; want none, %s", i+1, r.offers, p.Again, wait)
			}
			r.gone()
			time.Sleep(wait)
		}
		d := w.Record("a")
		if !w.Exhausted(&d) {
			t.Errorf("got %+v, want exhausted", d.Attempts)
		}
		r, p := w.connect("a", "1")
		if p.Refused != wire.ReasonOther || len(r.offers) != 0 {
			t.Errorf("exhausted: got refused %d, offers %v", p.Refused, r.offers)
		}
		w.Default("3")
		if p := r.sayHello(); len(r.offers) != 1 || p.Target.String() != "3" || w.Record("a").Attempts.Spent != 0 {
			t.Errorf("another target: got %+v, %+v", p, w.Record("a").Attempts)
		}
	})
}

func TestAConfirmationFollowedByAFallBackCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := oneInBubble(t, Config{})
		for i := range 3 {
			r, _ := w.connect("a", "1")
			r.report(wire.ReportApplying)
			r.gone()
			time.Sleep(time.Second)
			r, _ = w.connect("a", "2")
			w.state(t, "a", fleet.Confirmed)
			r.gone()
			time.Sleep(time.Second)
			r, _ = w.connect("a", "1")
			w.state(t, "a", fleet.RolledBack)
			r.gone()
			if w.Record("a").Attempts.Spent != i+1 {
				t.Errorf("got %d spent, want %d", w.Record("a").Attempts.Spent, i+1)
			}
			time.Sleep(3 * time.Hour)
		}
		r, _ := w.connect("a", "1")
		if len(r.offers) != 0 {
			t.Error("it flaps for ever")
		}
	})
}

func TestSupersededIsFreeAndFollowedAtOnce(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.take(3)
	w.Default("3")
	p := r.again(AtChange)
	if len(r.offers) != 2 || r.offers[1].Version.String() != "3" || r.count != wire.DefaultWindow || len(r.stops) != 0 {
		t.Errorf("got offers %v, queued %d, stops %v", r.offers, r.count, r.stops)
	}
	if len(p.Ended) != 1 || p.Ended[0].State != fleet.Superseded || w.Record("a").Attempts.Spent != 0 {
		t.Errorf("got past %v, %+v", p.Ended, w.Record("a").Attempts)
	}
	r.got = map[uint32][]byte{}
	r.download()

	r.report(wire.ReportStored)
	w.Default("1") // what it runs: nothing follows, the stored image is not wanted
	r.again(AtChange)
	if len(r.stops) != 1 || r.stops[0].Reason != wire.ReasonSuperseded || r.stops[0].Image != r.offers[1].Image() {
		t.Errorf("got stops %v, want one, superseded", r.stops)
	}
}

func TestNothingIsSentWhileItApplies(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.report(wire.ReportApplying)
	w.Default("3")
	if p := r.again(AtChange); len(r.offers) != 1 || len(r.stops) != 0 || len(p.Ended) != 0 {
		t.Errorf("got %d offers, stops %v, past %v; want the first only", len(r.offers), r.stops, p.Ended)
	}
	r.gone()
	r, _ = w.connect("a", "2")
	if len(r.offers) != 1 || r.offers[0].Version.String() != "3" {
		t.Errorf("got offers %v, want 3 after the confirmation of 2", r.offers)
	}
}

func TestFlashIsUsedUpWhenItsUpdateEnds(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	w.Device("a", "1", func(d *fleet.Device) { d.Development, d.Flash = true, v("3") })
	r, p := w.connect("a", "1")
	if !p.Flash || len(r.offers) != 1 || r.offers[0].Version.String() != "3" {
		t.Fatalf("got %+v", p)
	}
	r.download()
	r.report(wire.ReportStored)
	r.report(wire.ReportApplying)
	r.gone()
	if w.Record("a").Flash.IsZero() {
		t.Error("used up before the end")
	}
	r, _ = w.connect("a", "3")
	w.state(t, "a", fleet.Confirmed)
	if d := w.Record("a"); !d.Flash.IsZero() || len(r.offers) != 0 || d.Attempts != (fleet.Attempts{}) {
		t.Errorf("got flash %s, offers %v, %+v", d.Flash, r.offers, d.Attempts)
	}
}

// A device says Hello by itself while an immediate release offers it an update: the Hello
// was on its way when the Offer left. What was pushed must not be pushed again.
func TestAHelloThatCrossedItsOfferIsNotOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := oneInBubble(t, Config{})
		w.Default("1")
		r, _ := w.connect("a", "1")
		w.Default("2")
		r.again(AtChange)
		if len(r.offers) != 1 {
			t.Fatalf("got %d offers, want 1", len(r.offers))
		}
		if p := r.sayHello(); p.Offer != nil || p.Target.String() != "2" || len(r.offers) != 1 {
			t.Errorf("got offer %v, target %s, %d offers in all; want no other offer", p.Offer, p.Target, len(r.offers))
		}
		r.want(8, 8)
		if r.sayHello(); len(r.offers) != 2 {
			t.Errorf("got %d offers after a Hello that followed a Want, want 2", len(r.offers))
		}
	})
}

// TestAStopThatIsReevaluatedFirstReachesTheDevice has an operator, maybe at another server, write that an
// update is stopped; before its download is halted, something else has the device re-evaluated.
func TestAStopThatIsReevaluatedFirstReachesTheDevice(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.act(AtChange, func(d *fleet.Device) {
		d.Update.State, d.Attempts.Target, d.Attempts.Held = fleet.Stopped, d.Update.To, true
	})
	if len(r.stops) != 1 || r.stops[0].Reason != wire.ReasonStopped || r.count != 0 || len(r.offers) != 1 {
		t.Errorf("got stops %v, %d offers, %d chunks queued; want one stop", r.stops, len(r.offers), r.count)
	}
	d := w.Record("a")
	if w.Follow(&d); len(r.stops) != 1 {
		t.Errorf("got stops %v, want no second one", r.stops)
	}
}
