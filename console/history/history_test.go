//nolint:forbidigo // all sleeps are in synctest bubbles
package history

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

// following returns a history that follows product 1 and takes samples from take.
func following(take Source) *History {
	h := New(take, slog.New(slog.DiscardHandler))
	h.Follow(fleet.Product{ID: 1})
	return h
}

func TestHistoryOfAWeekStaysWithinItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := following(func(context.Context, fleet.Product) (Sample, error) {
			return Sample{At: time.Now(), Devices: map[string]int{"1": 5}}, nil
		})
		for range 7 * 24 * 60 {
			time.Sleep(time.Minute)
			if err := h.Sample(t.Context(), fleet.Product{ID: 1}); err != nil {
				t.Fatal(err)
			}
		}
		got := h.Series(1)
		span := time.Unix(got.Times[len(got.Times)-1], 0).Sub(time.Unix(got.Times[0], 0))
		if n := len(got.Times); n >= maxSamples || n < maxSamples/4 || span < 6*24*time.Hour {
			t.Errorf("got %d samples over %s, want fewer than %d over a week", n, span, maxSamples)
		}
	})
}

func TestSeriesHasARowForEachVersionAndANumberForEachTime(t *testing.T) {
	h := following(nil)
	h.add(1, Sample{At: time.Unix(100, 0), Online: 3, Handshakes: 10, Devices: map[string]int{"1": 4, Unknown: 0}})
	h.add(1, Sample{At: time.Unix(105, 0), Online: 4, Handshakes: 25, Devices: map[string]int{"1": 2, "1.10.0": 1, "1.9.0": 1, Unknown: 1}})
	want := Series{
		Times: []int64{100, 105}, Online: []int{3, 4}, Versions: []string{"1.10.0", "1.9.0", "1", Unknown}, Colors: []int{2, 1, 0, -1},
		Runs: [][]int{{0, 1}, {0, 1}, {4, 2}, {0, 1}}, Rates: []float64{0, 3},
	}
	if diff := cmp.Diff(h.Series(1), want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

func TestADeletedProductLeavesItsPlaceToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deleted sync.Map // by fleet.ProductID
		h := following(func(_ context.Context, p fleet.Product) (Sample, error) {
			if _, gone := deleted.Load(p.ID); gone {
				return Sample{}, fleet.Errorf(fleet.NotFound, "no such product: %d", p.ID)
			}
			return Sample{At: time.Now()}, nil
		})
		ctx, stop := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { h.Watch(ctx) })
		for id := range fleet.ProductID(maxProducts + 1) {
			h.Follow(fleet.Product{ID: id})
		}
		time.Sleep(sampleEvery)
		late, gone := fleet.ProductID(maxProducts), fleet.ProductID(7)
		if h.Since(gone).IsZero() || !h.Since(late).IsZero() {
			t.Errorf("before: product %d began at %v, %d, which is one too many, at %v", gone, h.Since(gone), late, h.Since(late))
		}
		deleted.Store(gone, true)
		time.Sleep(2 * sampleEvery)
		h.Follow(fleet.Product{ID: late})
		time.Sleep(sampleEvery)
		stop()
		watch.Wait()
		if !h.Since(gone).IsZero() || h.Since(late).IsZero() || len(h.followed()) != maxProducts {
			t.Errorf("afterwards: product %d began at %v, %d at %v, %d followed", gone, h.Since(gone), late, h.Since(late), len(h.followed()))
		}
	})
}

func TestASampleOfAForgottenProductIsDropped(t *testing.T) {
	h := following(nil)
	h.forget(1)
	h.add(1, Sample{At: time.Unix(100, 0)})
	if got := h.Series(1); got.Times != nil {
		t.Errorf("got %+v, want nothing", got)
	}
}

func TestAVersionKeepsItsColor(t *testing.T) {
	h := following(nil)
	color := map[string]int{}
	for i, devices := range []map[string]int{{"1": 4, Unknown: 1}, {"1": 3, "4": 1, Foreign: 1}, {"4": 2, "3": 2}, {"5": 1, "2": 1}} {
		h.add(1, Sample{At: time.Unix(int64(i), 0), Devices: devices})
		s := h.Series(1)
		for at, version := range s.Versions {
			if before, known := color[version]; known && before != s.Colors[at] {
				t.Errorf("sample %d: version %s had color %d and has %d", i, version, before, s.Colors[at])
			}
			color[version] = s.Colors[at]
		}
	}
	if diff := cmp.Diff(color, map[string]int{"1": 0, "4": 1, "3": 2, "2": 3, "5": 4, Unknown: -1, Foreign: -1}); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}
