//nolint:forbidigo // all sleeps are in synctest bubbles
package ota

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

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

func TestNoWantFor60sFreesTheSlotAnd10minEndTheUpdateFreeOfCharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := oneInBubble(t, Config{MaxUpdates: 1})
		w.sweeping(t)
		w.Device("b", "1")
		a, _ := w.connect("a", "1")
		a.take(8)
		w.connect("b", "1")
		time.Sleep(wire.SlotTimeout + 2*time.Second)
		synctest.Wait()
		if a.count != 0 || w.Stats().Stalled != 1 || len(w.ready()) != 1 || w.ready()[0] != "1/b" {
			t.Fatalf("got %d queued, %+v, ready %v", a.count, w.Stats(), w.ready())
		}
		a.want(8, 8) // alive again, but the slot is b's now
		if a.count != 0 {
			t.Error("queued without a slot")
		}
		w.Gone("1/b", nil)
		if a.first != 8 || a.count != 8 || w.Stats().Stalled != 0 {
			t.Fatalf("got %d queued from %d, want what it asked for last", a.count, a.first)
		}
		time.Sleep(wire.UpdateTimeout + 2*time.Second)
		synctest.Wait()
		u := w.state(t, "a", fleet.Failed)
		if u.Reason != wire.ReasonTimedOut || w.Record("a").Attempts.Spent != 0 || len(a.stops) != 1 || a.stops[0].Reason != wire.ReasonTimedOut {
			t.Errorf("got reason %d, %d spent, stops %v", u.Reason, w.Record("a").Attempts.Spent, a.stops)
		}
		if s := w.Stats(); s.Running != 0 || s.Stalled != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestASlowDownloadThatProgressesIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := oneInBubble(t, Config{})
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
		w := oneInBubble(t, Config{})
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
			t.Errorf("got %d queued, %d running, want 2 and 1", r.count, w.Stats().Running)
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
		w := oneInBubble(t, Config{})
		w.sweeping(t)
		d := w.Record("a")
		w.Decide(&d, w.Catalog(), wire.NewHello(v("1")), AtHello) // and never started
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
		w := oneInBubble(t, Config{})
		w.sweeping(t)
		r, _ := w.connect("a", "1")
		for i := range 3 {
			r.download()
			time.Sleep(wire.SlotTimeout)
			r.got = map[uint32][]byte{}
			r.want(0, 8) // it had the time to report stored, and begins again
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if want := (i + 1) % 3; w.Record("a").Attempts.Transfers != want {
				t.Errorf("after %d: got %d transfers, want %d", i+1, w.Record("a").Attempts.Transfers, want)
			}
		}
		w.state(t, "a", fleet.Failed)
		if w.Record("a").Attempts.Spent != 1 || len(r.stops) != 1 {
			t.Errorf("got %+v, stops %v", w.Record("a").Attempts, r.stops)
		}
	})
}

func TestTheEndOfADownloadLeavesTheOneInItsPlace(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	w.connect("a", "1")
	old := w.running["1/a"]
	r, _ := w.connect("a", "1") // while the end of the first is being written
	w.halt("1/a", only(old), wire.ReasonTimedOut)
	if w.running["1/a"] == nil || len(r.stops) != 0 {
		t.Errorf("got download %v, stops %v", w.running["1/a"], r.stops)
	}
	w.halt("1/a", only(w.running["1/a"]), wire.ReasonTimedOut)
	if w.running["1/a"] != nil || len(r.stops) != 1 {
		t.Errorf("got download %v, stops %v", w.running["1/a"], r.stops)
	}
}
