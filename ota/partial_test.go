package ota

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// has makes a Hello report the first chunks of a version's image.
func (w *world) has(version string, chunks uint32) func(*wire.Hello) {
	f, _ := w.Catalog().Find(v(version))
	return func(h *wire.Hello) {
		h.Partial = &wire.Partial{Image: f.Digest.Image(), Next: chunks, Chunk: h.Chunk}
	}
}

func (r *radio) firsts() (firsts []uint32) {
	for _, o := range r.offers {
		firsts = append(firsts, o.First)
	}
	return firsts
}

func TestAnOfferOfAnotherImageEndsWhatTheHelloReportedAsHeld(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		act  func(*world) *radio
		want uint32 // the first chunk of the last Offer
	}{
		{"the same target again, after another", func(w *world) *radio {
			r, _ := w.connect("a", "1", w.has("2", 10))
			w.Default("3")
			r.again(AtChange)
			w.Default("2")
			r.again(AtChange)
			return r
		}, 0},
		{"the first Offer was of another image", func(w *world) *radio { // as after a restart of the server
			w.Default("3")
			r, _ := w.connect("a", "1", w.has("2", 10))
			w.Default("2")
			r.again(AtChange)
			return r
		}, 0},
		{"a Hello that crossed the Offer of another image", func(w *world) *radio {
			r, _ := w.connect("a", "1", w.has("2", 10))
			w.Default("3")
			r.again(AtChange)
			w.Default("2")
			r.sayHello()
			return r
		}, 0},
		{"a new connection reports again what is held", func(w *world) *radio {
			w.Default("3")
			r, _ := w.connect("a", "1", w.has("2", 10))
			r.gone()
			w.Default("2")
			r, _ = w.connect("a", "1", w.has("2", 10))
			return r
		}, 10},
		{"nothing was offered in between", func(w *world) *radio {
			w.Default("1")
			r, _ := w.connect("a", "1", w.has("2", 10))
			w.Default("2")
			r.again(AtChange)
			return r
		}, 10},
		{"a Stop in between", func(w *world) *radio { // after which a device may keep what it held
			r, _ := w.connect("a", "1", w.has("2", 10))
			w.Default("1")
			r.again(AtChange)
			w.Default("2")
			r.again(AtChange)
			return r
		}, 0},
		{"an operator's stop and retry", func(w *world) *radio {
			r, _ := w.connect("a", "1", w.has("2", 10))
			if err := errors.Join(w.Stop(t.Context(), "1/a", anyone), w.Retry(t.Context(), "1/a", anyone)); err != nil {
				t.Fatal(err)
			}
			r.again(AtSlot)
			return r
		}, 0},
		{"a failure, and a retry", func(w *world) *radio { // the device has erased what was wrong
			r, _ := w.connect("a", "1", w.has("2", 10))
			r.report(wire.ReportFailed, func(p *wire.Report) { p.Reason = wire.ReasonDigest })
			if err := w.Retry(t.Context(), "1/a", anyone); err != nil {
				t.Fatal(err)
			}
			r.again(AtSlot)
			return r
		}, 0},
		{"a Hello after an Offer of the same image", func(w *world) *radio {
			r, _ := w.connect("a", "1", w.has("2", 10))
			r.hello.Partial.Next = 12
			r.sayHello()
			return r
		}, 12},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := one(t, Config{})
			r := row.act(w)
			last := len(r.offers) - 1
			if last < 0 || r.offers[last].Version.String() != "2" || r.offers[last].First != row.want {
				t.Errorf("got offers from %v, the last of %v, want version 2 from %d", r.firsts(), r.offers, row.want)
			}
			if r.gone(); len(w.orders) != 0 {
				t.Errorf("%d orders are remembered without a connection", len(w.orders))
			}
		})
	}
}

// A device short of memory asks for smaller chunks than it was offered and reports its position.
func TestAPositionInAReportNeverClaimsMoreThanTheDeviceHolds(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	r, _ := w.connect("a", "1")
	r.want(0, 64, func(w *wire.Want) { w.Chunk = 512 })
	r.report(wire.ReportDownloading, func(p *wire.Report) { p.Next = 20 })
	if u := w.state(t, "a", fleet.Downloading); u.Next != 20*512 {
		t.Errorf("got %d bytes held, want %d", u.Next, 20*512)
	}
}
