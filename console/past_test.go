package console

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

func TestPastOfAWeekStaysWithinItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, lamp := newPast(), fleet.Product{ID: 1}
		p.remember(lamp)
		for range 7 * 24 * 60 {
			time.Sleep(time.Minute)
			if p.due(lamp) {
				p.add(1, moment{at: time.Now(), runs: map[string]int{"1": 5}})
			}
		}
		got := p.series(1)
		span := time.Unix(got.Times[len(got.Times)-1], 0).Sub(time.Unix(got.Times[0], 0))
		if n := len(got.Times); n >= maxSamples || n < maxSamples/4 || span < 6*24*time.Hour {
			t.Errorf("got %d samples over %s, want fewer than %d over a week", n, span, maxSamples)
		}
	})
}

func TestSeriesHasARowForEachVersionAndANumberForEachTime(t *testing.T) {
	p := newPast()
	p.remember(fleet.Product{ID: 1})
	p.add(1, moment{at: time.Unix(100, 0), online: 3, hellos: 10, runs: map[string]int{"1": 4, silent: 0}})
	p.add(1, moment{at: time.Unix(105, 0), online: 4, hellos: 25, runs: map[string]int{"1": 2, "1.10.0": 1, "1.9.0": 1, silent: 1}})
	want := series{
		Times: []int64{100, 105}, Online: []int{3, 4}, Versions: []string{"1.10.0", "1.9.0", "1", silent}, Colors: []int{2, 1, 0, -1},
		Runs: [][]int{{0, 1}, {0, 1}, {4, 2}, {0, 1}}, Rates: []float64{0, 3},
	}
	if diff := cmp.Diff(p.series(1), want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

// shrinking has the products that were not deleted, without firmware.
type shrinking struct {
	OTA
	deleted sync.Map // by fleet.ProductID
}

func (o *shrinking) Firmware(_ context.Context, _ fleet.Actor, id fleet.ProductID) ([]fleet.Released, error) {
	if _, gone := o.deleted.Load(id); gone {
		return nil, fleet.Errorf(fleet.NotFound, "no such product: %d", id)
	}
	return nil, nil
}

func (r *team) Devices(context.Context, fleet.Actor, fleet.DeviceQuery) (fleet.DeviceViews, error) {
	return fleet.DeviceViews{}, nil
}

func TestADeletedProductLeavesItsPlaceToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o shrinking
		c := New(Config{}, &team{}, &o, bus{}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { c.Watch(ctx) })
		for id := range fleet.ProductID(maxProducts + 1) {
			c.past.remember(fleet.Product{ID: id})
		}
		time.Sleep(sampleEvery)
		late, gone := fleet.ProductID(maxProducts), fleet.ProductID(7)
		if c.past.began(gone).IsZero() || !c.past.began(late).IsZero() {
			t.Errorf("before: product %d began at %v, %d, which is one too many, at %v", gone, c.past.began(gone), late, c.past.began(late))
		}
		o.deleted.Store(gone, true)
		time.Sleep(2 * sampleEvery)
		c.past.remember(fleet.Product{ID: late})
		time.Sleep(sampleEvery)
		stop()
		watch.Wait()
		if !c.past.began(gone).IsZero() || c.past.began(late).IsZero() || len(c.past.watched()) != maxProducts {
			t.Errorf("afterwards: product %d began at %v, %d at %v, %d watched", gone, c.past.began(gone), late, c.past.began(late), len(c.past.watched()))
		}
	})
}

func TestASampleOfAForgottenProductIsDropped(t *testing.T) {
	p := newPast()
	p.remember(fleet.Product{ID: 1})
	p.forget(1)
	p.add(1, moment{at: time.Unix(100, 0)})
	if got := p.series(1); got.Times != nil {
		t.Errorf("got %+v, want nothing", got)
	}
}

func TestAVersionKeepsItsColour(t *testing.T) {
	p := newPast()
	p.remember(fleet.Product{ID: 1})
	color := map[string]int{}
	for i, runs := range []map[string]int{{"1": 4, silent: 1}, {"1": 3, "4": 1, foreign: 1}, {"4": 2, "3": 2}, {"5": 1, "2": 1}} {
		p.add(1, moment{at: time.Unix(int64(i), 0), runs: runs})
		s := p.series(1)
		for at, version := range s.Versions {
			if before, known := color[version]; known && before != s.Colors[at] {
				t.Errorf("sample %d: version %s had colour %d and has %d", i, version, before, s.Colors[at])
			}
			color[version] = s.Colors[at]
		}
	}
	if diff := cmp.Diff(color, map[string]int{"1": 0, "4": 1, "3": 2, "2": 3, "5": 4, silent: -1, foreign: -1}); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

func TestPayloadIsShownAsWhatItIs(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"text": {"21.5 °C", "21.5 °C"}, "json": {`{"t":1}`, `{"t":1}`}, "bytes": {"\x00\xff", "00ff"}, "control": {"a\x1b[2J", "611b5b324a"}, "nothing": {"", ""},
	} {
		if got := payload([]byte(c.in)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
