//nolint:forbidigo // all sleeps are in synctest bubbles
package ota

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// tries asks for chunks that can't be read, as a device repeats its Want.
func (r *radio) tries() {
	r.want(0, 8)
	if _, err := r.src.Chunks(nil, nil, 0, 8); err == nil {
		r.w.T.Error("the image can be read")
	}
}

func TestAnImageThatCannotBeReadHoldsNoSlotAndIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []fleet.DeviceID
		var causes []error
		w := one(t, Config{Ended: func(d fleet.Device, cause error) {
			ended, causes = append(ended, d.ID), append(causes, cause)
		}})
		w.sweeping(t)
		w.Device("b", "1")
		w.Device("c", "1")
		name := w.ImageFile(w.Catalog().Firmware[v("2").Key()].Digest)
		if err := os.Rename(name, name+".away"); err != nil {
			t.Fatal(err)
		}
		a, _ := w.connect("a", "1")
		b, _ := w.connect("b", "1")
		for range 7 {
			a.tries()
			b.tries()
			time.Sleep(9 * time.Second)
		}
		synctest.Wait()
		for _, r := range []*radio{a, b} {
			if u := w.state(t, r.id, fleet.Failed); u.Reason != wire.ReasonTimedOut || w.Record(r.id).Attempts.Spent != 0 || len(r.stops) != 1 {
				t.Errorf("%s: got reason %d, %d spent, stops %v", r.id, u.Reason, w.Record(r.id).Attempts.Spent, r.stops)
			}
		}
		if w.Stats().Running != 0 || len(ended) != 2 || !errors.Is(errors.Join(causes...), fleet.NotFound) || causes[0] != nil && causes[1] != nil {
			t.Errorf("got %+v, ended %v for %v: want no slot held, both reported, the cause once", w.Stats(), ended, causes)
		}
		c, p := w.connect("c", "1")
		if p.Refused != wire.ReasonBusy || p.Again == 0 || len(c.offers) != 0 {
			t.Errorf("got %+v, want to be asked to come again", p)
		}
		if err := os.Rename(name+".away", name); err != nil {
			t.Fatal(err)
		}
		time.Sleep(wire.SlotTimeout)
		if c.sayHello(); len(c.offers) != 1 {
			t.Fatal("the image is not tried again")
		}
		c.take(8)
		if _, p := w.connect("a", "1"); p.Offer == nil {
			t.Errorf("got %+v, want an offer: the image can be read again", p)
		}
	})
}
