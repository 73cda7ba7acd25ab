package ota

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestWantsThatCantBe(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		act    func(*radio)
		stop   fleet.ReasonCode // 0: none
		queued uint32
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
			if r.count != row.queued {
				t.Errorf("got %d queued, want %d", r.count, row.queued)
			}
			if before, after := w.Record("a").Update.To.String(), w.Record("a").Attempts.Spent; before != "2" || after != 0 {
				t.Errorf("a Want changed the record: to %s, spent %d", before, after)
			}
		})
	}
}

func TestGoneOfAnOldLinkDoesNotEndTheNewOne(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	old, _ := w.connect("a", "1")
	r, _ := w.connect("a", "1")
	w.Gone("1/a", old)
	if w.Stats().Running != 1 || r.count == 0 {
		t.Errorf("got %+v", w.Stats())
	}
}

func TestAnOfferThatCantBeSentKeepsNoSlot(t *testing.T) {
	t.Parallel()
	w := one(t, Config{})
	d := w.Record("a")
	p := w.Decide(&d, w.Catalog(), wire.NewHello(v("1")), AtHello)
	if err := w.Start(p, closed{}); err == nil {
		t.Error("got no error of a closed link")
	}
	if s := w.Stats(); s.Running != 0 || s.Stalled != 0 || len(w.running) != 0 {
		t.Errorf("got %+v", s)
	}
}

// closed is a link that has ended.
type closed struct{}

func (closed) Send(wire.TopicKind, []byte) error { return errors.New("closed") }

func (closed) SendChunks(wire.ChunkSource, uint32, uint32) {}

func (closed) KeepChunks(wire.ChunkSource, uint32, uint32) {}

func (closed) ResumeChunks() {}

func (closed) StopChunks() {}
