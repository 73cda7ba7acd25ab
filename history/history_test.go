//nolint:forbidigo // all sleeps are in synctest bubbles
package history_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/history"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/store/timeline"
)

var owner = fleet.Actor{Team: otatest.Team, Role: fleet.Owner}

// world is a product whose process counts what a test says.
type world struct {
	*otatest.Fleet

	follows bool // another server leads

	mu    sync.Mutex
	tally fleet.Tally              // of the product; guarded by mu
	in    map[fleet.GroupID]uint64 // handshakes in groups; guarded by mu
}

// run runs a test in a bubble with fake time, on a product with two versions.
func run(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Minute) // a whole minute, so that points are easy to name
		w := &world{Fleet: otatest.InMemory(t), in: make(map[fleet.GroupID]uint64)}
		w.AddFirmware("1.0.0", 100)
		w.AddFirmware("2.0.0", 100)
		test(t, w)
	})
}

// start starts a process that samples, until stop is called.
func (w *world) start(t *testing.T) (h *history.History, stop func()) {
	return w.startAs(t, func() bool { return !w.follows })
}

// startAs is start for one of several processes.
func (w *world) startAs(t *testing.T, leads func() bool) (h *history.History, stop func()) {
	w.mu.Lock()
	w.tally = fleet.Tally{Since: time.Now(), Failures: map[fleet.ReasonCode]int{}}
	w.mu.Unlock()
	h = history.New(history.Config{
		Timelines: w.Store.Timelines, Catalogs: w.Store.Catalogs, Teams: w.Store.Teams, Index: w.Store.Index, Clock: w.Store.Clock,
		Log: slog.New(slog.DiscardHandler), Leads: leads,
		Tally: func(_ fleet.ProductID, group fleet.GroupID) fleet.Tally {
			w.mu.Lock()
			defer w.mu.Unlock()
			if group != 0 {
				return fleet.Tally{Since: w.tally.Since, Handshakes: w.in[group]}
			}
			tally := w.tally
			tally.Failures = maps.Clone(w.tally.Failures)
			return tally
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	synctest.Wait() // it has looked at what was there before
	return h, func() {
		cancel()
		running.Wait()
	}
}

func (w *world) count(handshakes uint64, failures int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally.Handshakes += handshakes
	w.tally.Failures[3] += failures
}

// countIn counts handshakes in a group.
func (w *world) countIn(group fleet.GroupID, handshakes uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in[group] += handshakes
}

func (w *world) past(t *testing.T, h *history.History, q history.Query) history.Series {
	t.Helper()
	s, err := h.Product(t.Context(), owner, otatest.Product, q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// counted is all that a series has counted.
func counted(s history.Series) (handshakes, failures int) {
	for _, p := range s.Points {
		handshakes += p.Handshakes
		failures += p.Failures[3]
	}
	return handshakes, failures
}

func TestThePastOutlivesTheProcess(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		_, kill := w.start(t)
		for n := range 10 {
			w.Device(fleet.DeviceID(fmt.Sprint("lamp-", n)), "1.0.0")
		}
		w.Store.Index.SetOnline("1/lamp-3", true)
		w.count(50, 2)
		time.Sleep(25 * time.Second)
		w.count(7, 0)
		time.Sleep(10 * time.Second)
		w.count(1000, 0) // since the last sample
		kill()
		time.Sleep(time.Hour)
		h, stop := w.start(t)
		defer stop()
		w.Device("lamp-3", "2.0.0")
		w.count(5, 1)
		time.Sleep(25 * time.Second)
		s := w.past(t, h, history.Query{From: time.Now().Add(-2 * time.Hour), Step: time.Hour})
		if handshakes, failures := counted(s); handshakes != 62 || failures != 3 {
			t.Errorf("counted %d handshakes and %d failures, want those of both processes, 62 and 3", handshakes, failures)
		}
		last := w.past(t, h, history.Query{From: time.Now().Add(-30 * time.Second)}).Points
		want := map[string]int{"1.0.0": 9, "2.0.0": 1}
		if got := last[len(last)-1]; cmp.Diff(got.Devices, want) != "" || got.Total != 10 {
			t.Errorf("got %+v, want %v", got, want)
		}
	})
}

func TestAServerThatDoesNotLeadAddsOnlyWhatItHasCounted(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.follows = true
		h, stop := w.start(t)
		defer stop()
		w.Device("lamp-1", "1.0.0")
		w.count(7, 1)
		time.Sleep(3 * time.Minute)
		s := w.past(t, h, history.Query{From: time.Now().Add(-5 * time.Minute)})
		if handshakes, failures := counted(s); handshakes != 7 || failures != 1 {
			t.Errorf("counted %d handshakes and %d failures, want 7 and 1", handshakes, failures)
		}
		for _, p := range s.Points {
			if p.Total != 0 {
				t.Errorf("it has sampled %+v", p)
			}
		}
	})
}

func TestAPointIsTheMeanOfItsSeconds(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		for n := range 6 {
			w.Device(fleet.DeviceID(fmt.Sprint("lamp-", n)), "1.0.0")
		}
		time.Sleep(21 * time.Second) // it changes within a third of a minute
		for n := range 6 {
			w.Edit(fleet.DeviceID(fmt.Sprint("lamp-", n)), func(d *fleet.Device) { d.Running = otatest.Version("2.0.0") })
		}
		time.Sleep(3 * time.Minute)
		got := w.past(t, h, history.Query{Step: 10 * time.Minute}).Points[0]
		if want := map[string]int{"1.0.0": 1, "2.0.0": 5}; cmp.Diff(got.Devices, want) != "" || got.Seconds < 150 || got.Seconds > 151 {
			t.Errorf("got %v in %d s, want %v: 20 of 150 s with version 1", got.Devices, got.Seconds, want)
		}
	})
}

// TestAnIdleProductTakesLittleRoom has a fleet that does nothing for a day.
func TestAnIdleProductTakesLittleRoom(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		w.Device("lamp", "1.0.0")
		time.Sleep(17 * time.Hour)
		for tier, most := range []int{720, 1022, 19, 2} {
			buckets, err := w.Store.Timelines.Buckets(t.Context(), timeline.Line{Product: otatest.Product}, tier, time.Time{})
			if err != nil || len(buckets) > most || len(buckets) < most/2 {
				t.Errorf("tier %d: %d buckets, %v; want %d at most", tier, len(buckets), err, most)
			}
		}
		day := w.past(t, h, history.Query{From: time.Now().Add(-24 * time.Hour)})
		if n := len(day.Points); n < 100 || n > 400 || day.Points[n/2].Devices["1.0.0"] != 1 {
			t.Errorf("a day has %d points: %+v", n, day.Points[n/2])
		}
	})
}

func TestReleasesAreMarked(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		release := func(change func(c *fleet.Catalog)) {
			time.Sleep(11 * time.Second)
			w.EditCatalog(change)
		}
		release(func(c *fleet.Catalog) { c.Stand(0, otatest.Version("1.0.0"), time.Now()) })
		release(func(c *fleet.Catalog) {
			plan := fleet.CarefulPlan()
			if _, err := c.Begin(fleet.Release{Version: otatest.Version("2.0.0"), Plan: plan}, time.Now()); err != nil {
				t.Error(err)
			}
		})
		release(func(c *fleet.Catalog) {
			r := c.Staged[0]
			r.State = fleet.ReleaseHalted
			c.SetStaged(r)
		})
		release(func(c *fleet.Catalog) { c.End(0, fleet.ReleaseDone, "", time.Now()) })
		release(func(c *fleet.Catalog) { c.Withdraw(0, time.Now()) })
		time.Sleep(11 * time.Second)
		var got []string
		for _, m := range w.past(t, h, history.Query{}).Marks {
			got = append(got, fmt.Sprintf("%s %s %d", m.What, m.Version, m.Release))
		}
		want := []string{"released 1.0.0 0", "released 2.0.0 1", "halted 2.0.0 1", "done 2.0.0 1", "withdrawn 2.0.0 0"}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("(-got +want)\n%s", diff)
		}
	})
}

// TestTheMarksOfAServerThatDiedAreWrittenOnce: another one has seen what happened, and takes over.
func TestTheMarksOfAServerThatDiedAreWrittenOnce(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		var leads atomic.Bool
		_, kill := w.startAs(t, func() bool { return true })
		time.Sleep(5 * time.Second)
		h, stop := w.startAs(t, leads.Load)
		defer stop()
		time.Sleep(time.Minute)
		release := func(version string) {
			w.EditCatalog(func(c *fleet.Catalog) { c.Stand(0, otatest.Version(version), time.Now()) })
		}
		release("1.0.0") // both see it, and one marks it
		time.Sleep(20 * time.Second)
		release("2.0.0") // the one that leads dies before its next sample
		kill()
		time.Sleep(15 * time.Second)
		leads.Store(true)
		time.Sleep(11 * time.Second)
		release("1.0.0")
		time.Sleep(11 * time.Second)
		var got []string
		for _, m := range w.past(t, h, history.Query{}).Marks {
			got = append(got, m.What+" "+m.Version)
		}
		if diff := cmp.Diff(got, []string{"released 1.0.0", "released 2.0.0", "released 1.0.0"}); diff != "" {
			t.Errorf("(-got +want)\n%s", diff)
		}
	})
}

func TestTheCurveOfAReleaseIsKeptUntilItIsForgotten(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		begin := func(version string) (r fleet.Release) {
			w.EditCatalog(func(c *fleet.Catalog) {
				var err error
				if r, err = c.Begin(fleet.Release{Version: otatest.Version(version), Plan: fleet.CarefulPlan()}, time.Now()); err != nil {
					t.Fatal(err)
				}
			})
			return r
		}
		r := begin("2.0.0")
		for n := range 100 {
			h.Counted(otatest.Product, r, fleet.ReleaseCounts{Confirmed: n, Waiting: map[string]int{"offline": 60 - n, "not_now": 40}})
			time.Sleep(time.Second)
		}
		r.State = fleet.ReleaseHalted // for a second
		h.Counted(otatest.Product, r, fleet.ReleaseCounts{Confirmed: 99, Failed: 1})
		r.State = fleet.ReleaseDone
		h.Counted(otatest.Product, r, fleet.ReleaseCounts{Confirmed: 100})
		time.Sleep(11 * time.Second)
		burns, err := h.Release(t.Context(), owner, otatest.Product, r.ID)
		if err != nil || len(burns) < 10 || len(burns) > 14 || burns[0].Waiting < 90 {
			t.Fatalf("got %v, %v", burns, err)
		}
		if halted := burns[len(burns)-2]; halted.State != fleet.ReleaseHalted || halted.Failed != 1 {
			t.Errorf("before the end: %+v", halted)
		}
		if last := burns[len(burns)-1]; last.Confirmed != 100 || last.State != fleet.ReleaseDone {
			t.Errorf("at the end: %+v", last)
		}
		w.EditCatalog(func(c *fleet.Catalog) { c.End(0, fleet.ReleaseDone, "", time.Now()) })
		for range 51 {
			begin("1.0.0")
			w.EditCatalog(func(c *fleet.Catalog) { c.End(0, fleet.ReleaseWithdrawn, "", time.Now()) })
			time.Sleep(11 * time.Second)
		}
		if _, err := h.Release(t.Context(), owner, otatest.Product, r.ID); !errors.Is(err, fleet.NotFound) {
			t.Errorf("after 51 others: %v", err)
		}
		if points, err := w.Store.Timelines.Curve(t.Context(), otatest.Product, r.ID); err != nil || len(points) > 0 {
			t.Errorf("its curve is still there: %d points, %v", len(points), err)
		}
	})
}

func TestADeletedProductLeavesNothing(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		w.Device("lamp", "1.0.0")
		time.Sleep(time.Minute)
		if err := w.Store.Devices.Delete(t.Context(), "1/lamp"); err != nil {
			t.Fatal(err)
		}
		if err := w.Store.Catalogs.DeleteProduct(t.Context(), otatest.Product); err != nil {
			t.Fatal(err)
		}
		w.count(10, 0)
		time.Sleep(time.Minute)
		buckets, err := w.Store.Timelines.Buckets(t.Context(), timeline.Line{Product: otatest.Product}, 0, time.Time{})
		if _, gone := h.Product(t.Context(), owner, otatest.Product, history.Query{}); err != nil || len(buckets) > 0 || !errors.Is(gone, fleet.NotFound) {
			t.Errorf("got %d buckets, %v; %v", len(buckets), err, gone)
		}
	})
}

func TestWhoDoesNotSeeAllDevicesSeesNoPast(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		var r fleet.Release
		w.EditCatalog(func(c *fleet.Catalog) {
			r, _ = c.Begin(fleet.Release{Group: 7, Version: otatest.Version("2.0.0"), Plan: fleet.CarefulPlan()}, time.Now())
		})
		member := fleet.Actor{Team: otatest.Team, Role: fleet.Editor, Groups: []fleet.GroupID{7}}
		stranger, other := member, fleet.Actor{Team: otatest.Team + 1, Role: fleet.Owner}
		stranger.Groups = nil
		for _, row := range []struct {
			name          string
			actor         fleet.Actor
			fleet, rollup fleet.Kind // nil: they see it
		}{
			{"owner", owner, "", ""}, {"holds the group", member, fleet.Denied, ""}, {"does not", stranger, fleet.Denied, fleet.NotFound}, {"another team", other, fleet.NotFound, fleet.NotFound},
		} {
			_, err := h.Product(t.Context(), row.actor, otatest.Product, history.Query{})
			_, release := h.Release(t.Context(), row.actor, otatest.Product, r.ID)
			if row.fleet == "" != (err == nil) || err != nil && !errors.Is(err, row.fleet) || row.rollup == "" != (release == nil) || release != nil && !errors.Is(release, row.rollup) {
				t.Errorf("%s: fleet %v, release %v", row.name, err, release)
			}
		}
	})
}

func TestATeamIsTheSumOfItsProducts(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		second, err := w.Store.Catalogs.CreateProduct(t.Context(), fleet.Product{Team: otatest.Team, Slug: "gadget"})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			w.Device(fleet.DeviceID(fmt.Sprint("lamp-", n)), "1.0.0", func(d *fleet.Device) {
				if n > 2 {
					d.Product = second.ID
				}
			})
		}
		time.Sleep(5 * time.Minute)
		s, err := h.Team(t.Context(), owner, history.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Points[2:] {
			if p.Total != 5 {
				t.Errorf("at %s: %d devices, want 5", p.At, p.Total)
			}
		}
	})
}

func TestARangeHasAStepThatItsTierHas(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		const day = 24 * time.Hour
		for _, row := range []struct {
			name       string
			span, step time.Duration
			want       time.Duration // 0: refused
		}{
			{"an hour", time.Hour, 0, 10 * time.Second}, {"six hours", 6 * time.Hour, 0, time.Minute}, {"two days", 2 * day, 0, 10 * time.Minute},
			{"a month", 30 * day, 0, 3 * time.Hour}, {"two years", 730 * day, 0, 7 * day}, {"coarser than needed", time.Hour, 10 * time.Minute, 10 * time.Minute},
			{"finer than kept", 30 * day, time.Minute, time.Hour}, {"not a supported step", time.Hour, 7 * time.Minute, 10 * time.Minute},
			{"too many points", 10 * 365 * day, day, 0}, {"empty", 0, 0, 0}, {"backwards", -time.Hour, 0, 0},
		} {
			now := time.Now()
			time.Sleep(time.Millisecond)
			s, err := h.Product(t.Context(), owner, otatest.Product, history.Query{From: now.Add(-row.span), To: now, Step: row.step})
			if s.Step != row.want && row.want != 0 || row.want == 0 != errors.Is(err, fleet.Invalid) || row.want != 0 && err != nil {
				t.Errorf("%s: got a step of %s, %v; want %s", row.name, s.Step, err, row.want)
			}
		}
	})
}
