package ota

import (
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// staged is a world in which a release with a plan gives version 3 to everybody.
func staged(t *testing.T) (*world, fleet.ReleaseID) {
	w := one(t, Config{})
	var r fleet.Release
	w.EditCatalog(func(c *fleet.Catalog) {
		var err error
		r, err = c.Begin(fleet.Release{Version: v("3"), Plan: fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: fleet.Whole}}}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
	})
	return w, r.ID
}

// put has the release stand in a state, and returns the catalog's revision then.
func (w *world) put(state fleet.ReleaseState) uint64 {
	w.EditCatalog(func(c *fleet.Catalog) {
		r := c.Staged[0]
		r.State = state
		c.SetStaged(r)
	})
	return w.Catalog().Revision
}

func TestAHaltStopsChunksBeforeTheDeviceIsReevaluated(t *testing.T) {
	t.Parallel()
	w, id := staged(t)
	w.Device("locked", "1", func(d *fleet.Device) { d.Lock = v("2") })
	other, _ := w.connect("locked", "1")
	r, _ := w.connect("a", "2")
	if r.count != 8 || r.offers[0].Version.String() != "3" {
		t.Fatalf("%d chunks of version %s are queued", r.count, r.offers[0].Version)
	}
	w.Hold(product, id, w.put(fleet.ReleaseHalted))
	if r.count != 0 || other.count != 8 {
		t.Errorf("%d chunks are queued, and %d of a device that is locked", r.count, other.count)
	}
	if r.want(8, 8); r.count != 0 || len(r.stops) != 0 {
		t.Errorf("after a Want %d chunks are queued, stops %v", r.count, r.stops)
	}
	if r.again(AtChange); len(r.stops) != 1 || r.stops[0].Reason != wire.ReasonSuperseded {
		t.Errorf("re-evaluated: stops %v", r.stops)
	}
	if w.state(t, "a", fleet.Superseded); w.Record("a").Attempts.Spent != 0 {
		t.Error("it cost an attempt")
	}
}

func TestAReleaseThatIsResumedSendsWhatWasNotSent(t *testing.T) {
	t.Parallel()
	w, id := staged(t)
	r, _ := w.connect("a", "2")
	r.take(8)
	r.want(8, 4)
	r.take(1)
	w.Hold(product, id, w.put(fleet.ReleaseHalted))
	w.put(fleet.ReleaseRunning) // before the device was re-evaluated
	if r.again(AtChange); r.first != 9 || r.count != 3 || len(r.stops) != 0 || len(r.offers) != 1 {
		t.Errorf("chunks %d to %d are queued, stops %v, %d offers", r.first, r.first+r.count, r.stops, len(r.offers))
	}
}

// TestAnOfferThatCrossesAHaltSendsNoChunks: the device's record was saved before the halt, and the Offer goes
// out after it.
func TestAnOfferThatCrossesAHaltSendsNoChunks(t *testing.T) {
	t.Parallel()
	w, id := staged(t)
	w.Device("a", "2")
	r := &radio{w: w, id: "1/a", got: map[uint32][]byte{}, hello: wire.NewHello(v("2"))}
	d := w.Record("a")
	p := w.Decide(&d, w.Catalog(), r.hello, AtHello)
	w.Save(&d)
	w.Hold(product, id, w.put(fleet.ReleaseHalted))
	if err := w.Start(p, r); err != nil || r.count != 0 {
		t.Errorf("%v, %d chunks are queued", err, r.count)
	}
	if !slices.Equal(w.ready(), []fleet.DeviceID{"1/a"}) {
		t.Errorf("to be re-evaluated: %v", w.ready())
	}
	if r.again(AtSlot); len(r.stops) != 1 || r.count != 0 {
		t.Errorf("re-evaluated: stops %v, %d chunks", r.stops, r.count)
	}
	w.put(fleet.ReleaseRunning)
	if r, _ := w.connect("a", "2"); r.count != 8 || len(w.ready()) != 1 {
		t.Errorf("resumed: %d chunks are queued; to be re-evaluated: %v", r.count, w.ready())
	}
}

// TestAStopIsSentThoughTheDecisionIsMadeAgain: it was saved by a catalog that was not the newest any more,
// and the record that it is made on again shows no running update.
func TestAStopIsSentThoughTheDecisionIsMadeAgain(t *testing.T) {
	t.Parallel()
	w, id := staged(t)
	r, _ := w.connect("a", "2")
	w.Hold(product, id, w.put(fleet.ReleaseHalted))
	d := w.Record("a")
	first := w.Decide(&d, w.Catalog(), r.hello, AtChange)
	w.Save(&d, first.Ended...)
	if r.again(AtChange); len(r.stops) != 1 || r.stops[0].Reason != wire.ReasonSuperseded {
		t.Errorf("stops %v", r.stops)
	}
	if r.again(AtChange); len(r.stops) != 1 {
		t.Errorf("and once more: stops %v", r.stops)
	}
}
