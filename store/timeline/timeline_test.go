package timeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redisserver"
	"github.com/muster-iot/muster/store/timeline"
)

var (
	began = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	lamps = timeline.Line{Product: 1}
)

// each runs a test on both kinds of Redis.
func each(t *testing.T, test func(t *testing.T, s *timeline.Timelines, p *pipeline.Pipeline)) {
	run := func(name string, open func(t *testing.T) *redis.Options) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pipeline.New(pipeline.Target{Server: open(t)}, slog.New(slog.DiscardHandler), timeline.Scripts(), pipeline.Guard{})
			t.Cleanup(p.Close)
			test(t, timeline.New(p), p)
		})
	}
	run("ephemeral", func(t *testing.T) *redis.Options {
		server := redisserver.NewMemory()
		t.Cleanup(server.Close)
		return &redis.Options{Addr: "ephemeral", Dialer: server.Dial}
	})
	run("redis", func(t *testing.T) *redis.Options {
		server, err := redisserver.Start(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
		must(t, err)
		t.Cleanup(server.Stop)
		return &redis.Options{Network: "unix", Addr: server.Socket()}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(number uint64, after time.Duration, sums ...timeline.Sum) timeline.Write {
	return timeline.Write{Writer: "a", Number: number, At: began.Add(after), Sums: sums}
}

// total is the sum of a name over a tier.
func total(t *testing.T, s *timeline.Timelines, tier int, name string) (sum int64) {
	t.Helper()
	buckets, err := s.Buckets(t.Context(), lamps, tier, time.Time{})
	must(t, err)
	for _, b := range buckets {
		sum += b.Sums[name]
	}
	return sum
}

func TestEveryTierHasTheSameSums(t *testing.T) {
	each(t, func(t *testing.T, s *timeline.Timelines, _ *pipeline.Pipeline) {
		for n := range 200 {
			must(t, s.Add(t.Context(), lamps, write(uint64(n+1), time.Duration(n)*37*time.Second, timeline.Sum{"h", int64(n)}, timeline.Sum{"d:1.2.0", 10})))
		}
		for tier, buckets := range []int{200, 123, 3, 1} {
			got, err := s.Buckets(t.Context(), lamps, tier, time.Time{})
			must(t, err)
			if total(t, s, tier, "h") != 199*100 || total(t, s, tier, "d:1.2.0") != 2000 || len(got) != buckets || !got[0].At.Equal(began) {
				t.Errorf("tier %d: %d buckets from %s, sum %d", tier, len(got), got[0].At, total(t, s, tier, "h"))
			}
		}
		recent, err := s.Buckets(t.Context(), lamps, 2, began.Add(time.Hour))
		must(t, err)
		if len(recent) != 2 {
			t.Errorf("from the second hour on: %v", recent)
		}
		if other, err := s.Buckets(t.Context(), timeline.Line{Product: 2}, 0, time.Time{}); err != nil || len(other) != 0 {
			t.Errorf("another product: %v, %v", other, err)
		}
	})
}

func TestARepeatedWriteCountsOnceAndWritersAddUp(t *testing.T) {
	each(t, func(t *testing.T, s *timeline.Timelines, _ *pipeline.Pipeline) {
		a := write(1, 0, timeline.Sum{"h", 5})
		a.Marks = []string{"released"}
		b := a
		b.Writer, b.Marks = "b", nil
		for range 3 {
			must(t, s.Add(t.Context(), lamps, a))
			must(t, s.Add(t.Context(), lamps, b))
		}
		marks, err := s.Marks(t.Context(), 1)
		must(t, err)
		if got := total(t, s, 0, "h"); got != 10 || len(marks) != 1 {
			t.Errorf("got %d with marks %q, want 10 and one mark", got, marks)
		}
	})
}

// TestStepsOfTheClockLoseAndDoubleNothing moves the clock a year ahead and back, and by an hour.
func TestStepsOfTheClockLoseAndDoubleNothing(t *testing.T) {
	each(t, func(t *testing.T, s *timeline.Timelines, _ *pipeline.Pipeline) {
		const year = 365 * 24 * time.Hour
		number := uint64(0)
		for _, off := range []time.Duration{0, year, 0, -time.Hour, 0} {
			for range 30 {
				number++
				must(t, s.Add(t.Context(), lamps, write(number, off+time.Duration(number)*10*time.Second, timeline.Sum{"h", 1})))
			}
		}
		for tier := range lamps.Tiers() {
			if got := total(t, s, tier, "h"); got != 150 {
				t.Errorf("tier %d: got %d of 150", tier, got)
			}
			buckets, err := s.Buckets(t.Context(), lamps, tier, time.Time{})
			must(t, err)
			for i := 1; i < len(buckets); i++ {
				if !buckets[i-1].At.Before(buckets[i].At) {
					t.Errorf("tier %d: %s comes before %s", tier, buckets[i-1].At, buckets[i].At)
				}
			}
		}
	})
}

// TestATimelineStaysWithinItsBound fills every tier with as much as devices and operators could:
// long names, many of them, in more buckets than are kept.
func TestATimelineStaysWithinItsBound(t *testing.T) {
	each(t, func(t *testing.T, s *timeline.Timelines, p *pipeline.Pipeline) {
		var sums []timeline.Sum
		for n := range 60 {
			sums = append(sums, timeline.Sum{fmt.Sprintf("d:%02d.%s", n, strings.Repeat("9", 60)), 1 << 40})
		}
		const writes = 800 // each in a day of its own
		for n := range writes {
			w := write(uint64(n+1), time.Duration(n)*24*time.Hour, sums...)
			w.Marks = []string{strings.Repeat("x", 500)}
			must(t, s.Add(t.Context(), lamps, w))
		}
		bytes := 0
		for tier, key := range keys.TimelineOf(1, 0).Tiers {
			texts, err := pipeline.Fetch(t.Context(), p, key, func(p redis.Pipeliner) pipeline.Result[[]string] {
				return p.LRange(context.Background(), key, 0, -1)
			})
			must(t, err)
			if want := min(writes, lamps.Tiers()[tier].Buckets); len(texts) != want {
				t.Errorf("tier %d has %d buckets, want %d", tier, len(texts), want)
			}
			for _, text := range texts {
				if bytes += len(text); len(text) > 1024 {
					t.Fatalf("a bucket of %d bytes", len(text))
				}
			}
			if got, want := total(t, s, tier, "d:*")+total(t, s, tier, sums[0].Name)*11, int64(len(texts))*60<<40; got != want {
				t.Errorf("tier %d: what has no room is not added up: got %d, want %d", tier, got, want)
			}
		}
		marks, err := s.Marks(t.Context(), 1)
		must(t, err)
		if len(marks) != 200 || len(marks[0]) != 200 {
			t.Errorf("%d marks of %d bytes", len(marks), len(marks[0]))
		}
		must(t, s.Drop(t.Context(), 1, nil))
		if got := total(t, s, 3, "d:*"); got != 0 {
			t.Errorf("after it was dropped: %d", got)
		}
	})
}

func TestACurveKeepsItsEndsAndHalvesItsPace(t *testing.T) {
	each(t, func(t *testing.T, s *timeline.Timelines, _ *pipeline.Pipeline) {
		const looks = 1500 // its pace is halved three times
		for n := range looks {
			at := began.Add(time.Duration(n) * 5 * time.Second)
			must(t, s.Keep(t.Context(), 1, 7, at, []timeline.Sum{{"confirmed", int64(n)}}, n == looks-1))
		}
		must(t, s.Keep(t.Context(), 1, 7, began.Add((looks-1)*5*time.Second), []timeline.Sum{{"confirmed", looks - 1}}, true)) // again
		points, err := s.Curve(t.Context(), 1, 7)
		must(t, err)
		last := len(points) - 1
		if len(points) < 100 || len(points) > 300 || !points[0].At.Equal(began) || points[last].Numbers["confirmed"] != looks-1 {
			t.Fatalf("got %d points from %s to %v", len(points), points[0].At, points[last])
		}
		widest := time.Duration(0)
		for i := 1; i < len(points); i++ {
			widest = max(widest, points[i].At.Sub(points[i-1].At))
		}
		if total := points[last].At.Sub(points[0].At); widest > total/60 {
			t.Errorf("a gap of %s in %s", widest, total)
		}
		must(t, s.DropCurve(t.Context(), 1, 7))
		if points, err := s.Curve(t.Context(), 1, 7); err != nil || len(points) != 0 {
			t.Errorf("after it was dropped: %d points, %v", len(points), err)
		}
	})
}

func TestAPointIsCutNotRefused(t *testing.T) {
	each(t, func(t *testing.T, s *timeline.Timelines, _ *pipeline.Pipeline) {
		var many []timeline.Sum
		for n := range 60 {
			many = append(many, timeline.Sum{fmt.Sprint("n", n), 1})
		}
		must(t, s.Keep(t.Context(), 1, 7, began, many, false))
		points, err := s.Curve(t.Context(), 1, 7)
		must(t, err)
		if len(points) != 1 || cmp.Diff(points[0].Numbers["n0"], int64(1)) != "" || len(points[0].Numbers) < 20 || len(points[0].Numbers) == 60 {
			t.Errorf("got %v", points)
		}
	})
}

// TestWhatIsLateForAGroupWithoutATimelineIsNotKept is of a process that adds what it has counted after
// another one has ended the timeline of the group.
func TestWhatIsLateForAGroupWithoutATimelineIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, s *timeline.Timelines, _ *pipeline.Pipeline) {
		line := timeline.Line{Product: 1, Group: 7}
		days := func() int {
			t.Helper()
			buckets, err := s.Buckets(t.Context(), line, len(line.Tiers())-1, time.Time{})
			must(t, err)
			return len(buckets)
		}
		late := write(1, 0, timeline.Sum{"h", 1})
		must(t, s.Add(t.Context(), line, late))
		if days() != 0 {
			t.Error("it has a timeline before it has begun")
		}
		must(t, s.Begin(t.Context(), 1, 7))
		must(t, s.Add(t.Context(), line, late))
		must(t, s.Add(t.Context(), lamps, late))
		if groups, err := s.Groups(t.Context(), 1); err != nil || len(groups) != 1 || days() != 1 {
			t.Errorf("got groups %v, %v, and %d days; want group 7 with one", groups, err, days())
		}
		must(t, s.End(t.Context(), 1, 7))
		late.Number++
		must(t, s.Add(t.Context(), line, late))
		if groups, err := s.Groups(t.Context(), 1); err != nil || len(groups) != 0 || days() != 0 {
			t.Errorf("after its end: groups %v, %v, and %d days", groups, err, days())
		}
		must(t, s.Begin(t.Context(), 1, 7))
		must(t, s.Add(t.Context(), line, late))
		must(t, s.Drop(t.Context(), 1, nil))
		if days() != 0 {
			t.Error("it is left when the product is deleted")
		}
	})
}

// BenchmarkAdd fills all tiers of a product and of a group with three versions, on a real Redis, and
// reports what that takes there.
func BenchmarkAdd(b *testing.B) {
	for name, line := range map[string]timeline.Line{"product": lamps, "group": {Product: 1, Group: 7}} {
		b.Run(name, func(b *testing.B) { benchmarkAdd(b, line) })
	}
}

func benchmarkAdd(b *testing.B, line timeline.Line) {
	server, err := redisserver.Start(b.Context(), b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Stop)
	p := pipeline.New(pipeline.Target{Server: &redis.Options{Network: "unix", Addr: server.Socket()}}, slog.New(slog.DiscardHandler), timeline.Scripts(), pipeline.Guard{})
	b.Cleanup(p.Close)
	s := timeline.New(p)
	if err := s.Begin(b.Context(), line.Product, line.Group); err != nil {
		b.Fatal(err)
	}
	number := uint64(0)
	add := func(at time.Time) {
		number++
		w := timeline.Write{Writer: "a", Number: number, At: at, Sums: []timeline.Sum{
			{"s", 60}, {"o", 60 * 9731}, {"d:2.0.0", 60 * 8000}, {"d:1.9.2", 60 * 1800}, {"d:?", 60 * 12}, {"h", 812}, {"f:3", 2},
		}}
		if err := s.Add(b.Context(), line, w); err != nil {
			b.Fatal(err)
		}
	}
	for _, tier := range []int{3, 2, 1, 0} {
		t := line.Tiers()[tier]
		for n := range t.Buckets {
			add(began.Add(time.Duration(n-t.Buckets) * t.Step))
		}
	}
	for b.Loop() {
		add(began.Add(time.Duration(number) * 10 * time.Second))
	}
	bytes := int64(0)
	for _, key := range keys.TimelineOf(line.Product, line.Group).Names() {
		n, err := pipeline.Fetch(b.Context(), p, key, func(p redis.Pipeliner) pipeline.Result[int64] {
			return p.MemoryUsage(context.Background(), key, 0)
		})
		if err == nil {
			bytes += n
		}
	}
	b.ReportMetric(float64(bytes), "B/line")
}
