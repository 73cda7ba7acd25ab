package ota

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// one is a world with versions 1 to 3, default 2, and one device that runs 1.
func one(t testing.TB, cfg Config) *world {
	w := newWorld(t, cfg)
	for _, version := range []string{"1", "2", "3"} {
		w.firmware(version, 100_000)
	}
	w.catalog.Default = v("2")
	w.device("a", "1")
	return w
}

// sweeping runs the sweeper until the test ends.
func (w *world) sweeping(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func (w *world) state(t *testing.T, id fleet.DeviceID, want fleet.UpdateState) fleet.Update {
	t.Helper()
	u := w.devices[id].Update
	if u.State != want {
		t.Fatalf("got update %s, want %s", u.State, want)
	}
	return u
}

func (w *world) releaseDefault(version string) {
	c := *w.catalog
	c.Default = v(version)
	c.Revision++
	w.catalog = &c
}

func TestOnlyTheNextHandshakeConfirms(t *testing.T) {
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
	if len(w.history["a"]) != 0 {
		t.Errorf("in the history before it was confirmed: %v", w.history["a"])
	}
	r, _ = w.connect("a", "2")
	u := w.state(t, "a", fleet.Confirmed)
	if len(r.offers) != 0 || len(w.history["a"]) != 1 || w.history["a"][0] != u {
		t.Errorf("got offers %v, history %v", r.offers, w.history["a"])
	}
	if w.devices["a"].Attempts.Spent != 0 {
		t.Error("success cost an attempt")
	}
}

func TestALostConnectionGoesOnWithTheSameUpdateAndCostsNothing(t *testing.T) {
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.take(5)
	id := r.offers[0].Update
	got := r.got
	r.gone()
	r, _ = w.connect("a", "1", func(h *wire.Hello) {
		h.Partial = &wire.Partial{Image: w.devices["a"].Update.Digest.Image(), Next: 5, Chunk: h.Chunk}
	})
	if len(r.offers) != 1 || r.offers[0].Update != id || r.offers[0].First != 5 {
		t.Fatalf("got offers %+v, want update %s from 5", r.offers, id)
	}
	r.got = got
	r.download()
	if r.chunks != int(r.offers[0].Count)-5 {
		t.Errorf("got %d chunks, want %d", r.chunks, r.offers[0].Count-5)
	}
	if w.devices["a"].Attempts.Spent != 0 || w.devices["a"].Update.Attempt != 1 || w.Stats().Continued != 1 {
		t.Errorf("got %+v, attempt %d", w.devices["a"].Attempts, w.devices["a"].Update.Attempt)
	}
}

func TestRolledBackThreeTimesIsExhaustedUntilTheTargetChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := one(t, Config{CoolDown: []time.Duration{time.Minute, 10 * time.Minute}})
		for i, wait := range []time.Duration{time.Minute, 10 * time.Minute, 10 * time.Minute} {
			r, _ := w.connect("a", "1")
			if len(r.offers) != 1 || w.devices["a"].Update.Attempt != i+1 {
				t.Fatalf("attempt %d: got offers %v, attempt %d", i+1, r.offers, w.devices["a"].Update.Attempt)
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
		d := w.devices["a"]
		if !w.Exhausted(&d) {
			t.Errorf("got %+v, want exhausted", d.Attempts)
		}
		r, p := w.connect("a", "1")
		if p.Refused != wire.ReasonOther || len(r.offers) != 0 {
			t.Errorf("exhausted: got refused %d, offers %v", p.Refused, r.offers)
		}
		w.releaseDefault("3")
		if p := r.sayHello(); len(r.offers) != 1 || p.Target.String() != "3" || w.devices["a"].Attempts.Spent != 0 {
			t.Errorf("another target: got %+v, %+v", p, w.devices["a"].Attempts)
		}
	})
}

func TestAConfirmationFollowedByAFallBackCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := one(t, Config{})
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
			if w.devices["a"].Attempts.Spent != i+1 {
				t.Errorf("got %d spent, want %d", w.devices["a"].Attempts.Spent, i+1)
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
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.take(3)
	w.releaseDefault("3")
	p := r.again(AtChange)
	if len(r.offers) != 2 || r.offers[1].Version.String() != "3" || r.count != wire.DefaultWindow || len(r.stops) != 0 {
		t.Errorf("got offers %v, owed %d, stops %v", r.offers, r.count, r.stops)
	}
	if len(p.Past) != 1 || p.Past[0].State != fleet.Superseded || w.devices["a"].Attempts.Spent != 0 {
		t.Errorf("got past %v, %+v", p.Past, w.devices["a"].Attempts)
	}
	r.got = map[uint32][]byte{}
	r.download()

	r.report(wire.ReportStored)
	w.releaseDefault("1") // what it runs: nothing follows, the stored image is not wanted
	r.again(AtChange)
	if len(r.stops) != 1 || r.stops[0].Reason != wire.ReasonSuperseded || r.stops[0].Image != r.offers[1].Image() {
		t.Errorf("got stops %v, want one, superseded", r.stops)
	}
}

func TestNothingIsSentWhileItApplies(t *testing.T) {
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.report(wire.ReportApplying)
	w.releaseDefault("3")
	if p := r.again(AtChange); len(r.offers) != 1 || len(r.stops) != 0 || len(p.Past) != 0 {
		t.Errorf("got %d offers, stops %v, past %v; want the first only", len(r.offers), r.stops, p.Past)
	}
	r.gone()
	time.Sleep(time.Millisecond)
	r, _ = w.connect("a", "2")
	if len(r.offers) != 1 || r.offers[0].Version.String() != "3" {
		t.Errorf("got offers %v, want 3 after the confirmation of 2", r.offers)
	}
}

func TestNotNowPausesADownloadAndEnabledGoesOn(t *testing.T) {
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.take(4)
	r.report(wire.ReportDownloading, func(p *wire.Report) { p.Next = 4 })
	if news := r.report(wire.ReportUpdatesDisabled); !news.Changed || news.Again {
		t.Errorf("disabled: got %+v", news)
	}
	if r.count != 0 || w.Stats().Running != 0 || len(r.stops) != 0 {
		t.Errorf("got %d owed, %d running, stops %v", r.count, w.Stats().Running, r.stops)
	}
	if p := r.again(AtChange); p.Refused != wire.ReasonNotNow || p.Offer != nil {
		t.Errorf("got %+v, want not now", p)
	}
	w.state(t, "a", fleet.Downloading)
	if news := r.report(wire.ReportUpdatesEnabled); !news.Again {
		t.Errorf("enabled: got %+v", news)
	}
	r.again(AtChange)
	if len(r.offers) != 2 || r.offers[1].Update != r.offers[0].Update || r.offers[1].First != 4 {
		t.Errorf("got offers %+v, want the same update from 4", r.offers)
	}
	if w.devices["a"].Attempts.Spent != 0 {
		t.Error("not now cost an attempt")
	}
}

func TestAForcedDeviceThatSaysNotNowGoesOn(t *testing.T) {
	w := one(t, Config{})
	w.device("a", "1", func(d *fleet.Device) { d.Force = true })
	r, _ := w.connect("a", "1")
	r.report(wire.ReportUpdatesDisabled)
	if r.count == 0 || w.Stats().Running != 1 {
		t.Errorf("got %d owed, %d running", r.count, w.Stats().Running)
	}
}

func TestWantsThatCantBe(t *testing.T) {
	for _, row := range []struct {
		name string
		act  func(*radio)
		stop fleet.ReasonCode // 0: none
		owed uint32
	}{
		{"of another image: stop", func(r *radio) { r.want(0, 4, func(w *wire.Want) { w.Image = fleet.Image{1} }) }, wire.ReasonNotYourImage, 8},
		{"past the end: ignored", func(r *radio) { r.want(25, 4) }, 0, 8},
		{"far past the end: ignored", func(r *radio) { r.want(1<<32-1, 64) }, 0, 8},
		{"over the end: clipped", func(r *radio) { r.want(20, 64) }, 0, 5},
		{"in other chunks: the range is in those", func(r *radio) { r.want(780, 64, func(w *wire.Want) { w.Chunk = 128 }) }, 0, 2},
		{"without an update: say Hello", func(r *radio) { r.report(wire.ReportApplying); r.want(0, 4) }, wire.ReasonNotNow, 0},
		{"over an old link: say Hello", func(r *radio) {
			old := &radio{w: r.w, id: r.id}
			_ = r.w.Want(r.id, wire.Want{Image: r.offers[0].Image(), Count: 4}, old)
			r.stops = old.stops
		}, wire.ReasonNotNow, 8},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := one(t, Config{})
			r, _ := w.connect("a", "1")
			row.act(r)
			if row.stop == 0 && len(r.stops) != 0 || row.stop != 0 && (len(r.stops) != 1 || r.stops[0].Reason != row.stop) {
				t.Errorf("got stops %v, want reason %d", r.stops, row.stop)
			}
			if r.count != row.owed {
				t.Errorf("got %d owed, want %d", r.count, row.owed)
			}
			if before, after := w.devices["a"].Update.To.String(), w.devices["a"].Attempts.Spent; before != "2" || after != 0 {
				t.Errorf("a Want changed the record: to %s, spent %d", before, after)
			}
		})
	}
}

func TestReportsThatDontFitAreIgnored(t *testing.T) {
	for name, change := range map[string]func(*wire.Report){
		"another image":  func(p *wire.Report) { p.Image = fleet.Image{1} },
		"another update": func(p *wire.Report) { p.Update = fleet.UpdateID{1} },
	} {
		w := one(t, Config{})
		r, _ := w.connect("a", "1")
		saves := w.saves
		if news := r.report(wire.ReportFailed, change, func(p *wire.Report) { p.Reason = wire.ReasonDigest }); news.Changed || w.saves != saves {
			t.Errorf("%s: got %+v, %d saves", name, news, w.saves-saves)
		}
		if w.Stats().StaleReports != 1 {
			t.Errorf("%s: got %d stale reports, want 1", name, w.Stats().StaleReports)
		}
	}
}

func TestReportOfAnEarlierSessionIsRefused(t *testing.T) {
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	session := w.devices["a"].Session
	w.connect("a", "1")
	_, err := w.Report(t.Context(), "a", session, wire.Report{State: wire.ReportStored, Image: r.offers[0].Image()})
	if !errors.Is(err, fleet.Conflict) || w.devices["a"].Update.State == fleet.Stored {
		t.Errorf("got %v, %s", err, w.devices["a"].Update.State)
	}
}

func TestReportIsAnsweredOnlyWhenItIsWritten(t *testing.T) {
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	w.failing = fleet.Errorf(fleet.Unavailable, "the store does not answer")
	_, err := w.Report(t.Context(), "a", w.devices["a"].Session, wire.Report{State: wire.ReportApplying, Image: r.offers[0].Image()})
	if !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if w.Stats().Running != 1 {
		t.Error("the download was dropped although the report was not written")
	}
}

func TestFailedReportSpendsAnAttempt(t *testing.T) {
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	news := r.report(wire.ReportFailed, func(p *wire.Report) { p.Reason, p.Text = wire.ReasonDigest, "bad flash" })
	if news.Ended == nil || news.Ended.State != fleet.Failed || news.Ended.Text != "bad flash" || news.Device.Attempts.Spent != 1 {
		t.Errorf("got %+v", news)
	}
	if len(w.history["a"]) != 1 || w.Stats().Running != 0 || r.count != 0 {
		t.Errorf("got history %v, %d running, %d owed", w.history["a"], w.Stats().Running, r.count)
	}
}

func TestNoWantFor60sFreesTheSlotAnd10minEndTheUpdateFreeOfCharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := one(t, Config{MaxUpdates: 1})
		w.sweeping(t)
		w.device("b", "1")
		a, _ := w.connect("a", "1")
		a.take(8)
		w.connect("b", "1")
		time.Sleep(wire.SlotTimeout + 2*time.Second)
		synctest.Wait()
		if a.count != 0 || w.Stats().Stalled != 1 || len(w.ready) != 1 || w.ready[0] != "b" {
			t.Fatalf("got %d owed, %+v, ready %v", a.count, w.Stats(), w.ready)
		}
		a.want(8, 8) // alive again, but the slot is b's now
		if a.count != 0 {
			t.Error("owed without a slot")
		}
		w.Gone(t.Context(), "b", nil)
		if a.first != 8 || a.count != 8 || w.Stats().Stalled != 0 {
			t.Fatalf("got %d owed from %d, want what it asked for last", a.count, a.first)
		}
		time.Sleep(wire.UpdateTimeout + 2*time.Second)
		synctest.Wait()
		u := w.state(t, "a", fleet.Failed)
		if u.Reason != wire.ReasonTimedOut || w.devices["a"].Attempts.Spent != 0 || len(a.stops) != 1 || a.stops[0].Reason != wire.ReasonTimedOut {
			t.Errorf("got reason %d, %d spent, stops %v", u.Reason, w.devices["a"].Attempts.Spent, a.stops)
		}
		if s := w.Stats(); s.Running != 0 || s.Stalled != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestASlowDownloadThatProgressesIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := one(t, Config{})
		w.sweeping(t)
		r, _ := w.connect("a", "1")
		for range 8 {
			time.Sleep(50 * time.Second)
			r.take(1)
		}
		synctest.Wait()
		if s := w.Stats(); s.Running != 1 || s.Stalled != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestADeviceMayTakeItsTimeBetweenStoredAndApplying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := one(t, Config{})
		w.sweeping(t)
		r, _ := w.connect("a", "1")
		r.download()
		r.report(wire.ReportStored)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		w.state(t, "a", fleet.Stored)
		if len(r.stops) != 0 {
			t.Errorf("got stops %v, want none", r.stops)
		}
		r.want(3, 2) // it lost a part after all
		if r.count != 2 || w.Stats().Running != 1 {
			t.Errorf("got %d owed, %d running, want 2 and 1", r.count, w.Stats().Running)
		}
		time.Sleep(wire.SlotTimeout + 2*time.Second)
		synctest.Wait()
		if w.Stats().Running != 0 {
			t.Error("a stalled download keeps its slot")
		}
	})
}

func TestASlotThatIsNotTakenUpIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := one(t, Config{})
		w.sweeping(t)
		d := w.devices["a"]
		w.Decide(&d, w.catalog, wire.NewHello(v("1")), AtHello) // and never started
		if w.Stats().Running != 1 {
			t.Fatal("no slot taken")
		}
		time.Sleep(reserved + 2*time.Second)
		synctest.Wait()
		if w.Stats().Running != 0 {
			t.Error("the slot leaked")
		}
	})
}

func TestThreeTransfersWithoutStoredEndTheUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := one(t, Config{})
		w.sweeping(t)
		r, _ := w.connect("a", "1")
		for i := range 3 {
			if i > 0 {
				r.got = map[uint32][]byte{}
				r.want(0, 8)
			}
			r.download()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if want := (i + 1) % 3; w.devices["a"].Attempts.Transfers != want {
				t.Errorf("after %d: got %d transfers, want %d", i+1, w.devices["a"].Attempts.Transfers, want)
			}
		}
		w.state(t, "a", fleet.Failed)
		if w.devices["a"].Attempts.Spent != 1 || len(r.stops) != 1 {
			t.Errorf("got %+v, stops %v", w.devices["a"].Attempts, r.stops)
		}
	})
}

func TestFlashIsUsedUpWhenItsUpdateEnds(t *testing.T) {
	w := one(t, Config{})
	w.device("a", "1", func(d *fleet.Device) { d.Development, d.Flash = true, v("3") })
	r, p := w.connect("a", "1")
	if !p.Flash || len(r.offers) != 1 || r.offers[0].Version.String() != "3" {
		t.Fatalf("got %+v", p)
	}
	r.download()
	r.report(wire.ReportStored)
	r.report(wire.ReportApplying)
	r.gone()
	if w.devices["a"].Flash.IsZero() {
		t.Error("used up before the end")
	}
	time.Sleep(time.Millisecond)
	r, _ = w.connect("a", "3")
	w.state(t, "a", fleet.Confirmed)
	if d := w.devices["a"]; !d.Flash.IsZero() || len(r.offers) != 0 || d.Attempts != (fleet.Attempts{}) {
		t.Errorf("got flash %s, offers %v, %+v", d.Flash, r.offers, d.Attempts)
	}
}

func TestGoneOfAnOldLinkDoesNotEndTheNewOne(t *testing.T) {
	w := one(t, Config{})
	old, _ := w.connect("a", "1")
	r, _ := w.connect("a", "1")
	w.Gone(t.Context(), "a", old)
	if w.Stats().Running != 1 || r.count == 0 {
		t.Errorf("got %+v", w.Stats())
	}
}

func TestAnOfferThatCantBeSentKeepsNoSlot(t *testing.T) {
	w := one(t, Config{})
	d := w.devices["a"]
	p := w.Decide(&d, w.catalog, wire.NewHello(v("1")), AtHello)
	if err := w.Start(p, closed{}); err == nil {
		t.Error("got no error of a closed link")
	}
	if s := w.Stats(); s.Running != 0 || s.Stalled != 0 || len(w.running) != 0 {
		t.Errorf("got %+v", s)
	}
}

// closed is a link that has ended.
type closed struct{}

func (closed) Send(wire.TopicKind, []byte) error    { return errors.New("closed") }
func (closed) Owe(wire.ChunkSource, uint32, uint32) {}
