//nolint:forbidigo // all sleeps are in synctest bubbles
package ota

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// small is a world with version 2 as the default, whose image of 30,000 bytes goes out at once,
// in one window, and device a, which runs 1.
func small(t *testing.T) *world {
	w := inBubble(t, Config{})
	w.AddFirmware("2", 30_000)
	w.Default("2")
	w.Device("a", "1")
	w.sweeping(t)
	return w
}

func (w *world) free(t *testing.T, id fleet.DeviceID) {
	t.Helper()
	d := w.Record(id)
	if d.Attempts.Spent != 0 || d.Attempts.Transfers != 0 || !d.Update.State.Running() || len(w.History(id)) != 0 {
		t.Errorf("got %+v, update %s, history %v; want a running update that has cost nothing", d.Attempts, d.Update.State, w.History(id))
	}
}

func TestLostLinksCostNothingWhateverTheSizeOfTheImage(t *testing.T) {
	for _, row := range []struct {
		name  string
		lives time.Duration // of each connection
	}{
		{"links that are cut at once", 0},
		{"links that live for a minute and more", wire.SlotTimeout + 30*time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := small(t)
				for range 7 {
					r, _ := w.connect("a", "1", func(h *wire.Hello) { h.Boot = 1 })
					r.take(8)
					time.Sleep(row.lives)
					r.gone()
					time.Sleep(2 * time.Second)
				}
				w.free(t, "a")
			})
		})
	}
}

func TestRestartsOfTheServerCostNothingWhateverTheSizeOfTheImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := small(t)
		for range 7 {
			r, _ := w.connect("a", "1", func(h *wire.Hello) { h.Boot = 1 })
			r.take(8)
			time.Sleep(20 * time.Second)
			r.gone()
			w = overFleet(w.Fleet, Config{})
		}
		w.free(t, "a")
		r, _ := w.connect("a", "1")
		r.download()
		r.report(wire.ReportApplying)
		r.gone()
		w.connect("a", "2")
		w.state(t, "a", fleet.Confirmed)
	})
}

// A slow link: the device repeats its Want because nothing came for 10 s.
func TestAWantThatIsRepeatedBecauseTheLinkIsSlowCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := small(t)
		r, _ := w.connect("a", "1")
		r.take(8)
		for range 4 {
			time.Sleep(wire.ChunkTimeout)
			r.want(0, 8)
			r.take(8)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		w.free(t, "a")
	})
}

func TestLostChunksInTheMiddleOfAnImageCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := small(t)
		r, _ := w.connect("a", "1")
		r.take(8)
		for range 6 { // a gateway that loses the same chunks again and again
			time.Sleep(wire.SlotTimeout)
			r.want(1, 7)
			r.take(7)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		w.free(t, "a")
	})
}

func TestAHelloAfterAWholeTransferCountsLikeAWant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := small(t)
		r, _ := w.connect("a", "1", func(h *wire.Hello) { h.Boot = 1 })
		for range 3 {
			r.take(8)
			time.Sleep(wire.SlotTimeout)
			r.sayHello()
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		w.state(t, "a", fleet.Failed)
		if spent := w.Record("a").Attempts.Spent; spent != 1 {
			t.Errorf("got %d spent, want 1", spent)
		}
	})
}
