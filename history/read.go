package history

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/timeline"
)

const (
	usualRange  = time.Hour
	usualPoints = 400
	maxPoints   = 3000
)

// steps are the lengths that points may have. Each is a multiple of those before it, and so of the
// step of any tier before it.
var steps = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// Query selects a range of time.
type Query struct {
	From, To time.Time     // From inclusive, To exclusive. Zero: an hour before To; now
	Step     time.Duration // the least length of a point; 0: what makes 400 points or fewer
}

// Series is a range of the past in points of one length.
type Series struct {
	From, To time.Time
	Step     time.Duration
	Points   []Point // by time; none where nothing was sampled
	Marks    []Mark  // by time
	LeftOut  bool    // of a group: it has no past, because others that have devices take all the room
	Now      Point   // how the fleet stands, and what happened since the last sample; zero where the query has a To
}

// Point is how a fleet stood on average, and what happened in it, from At on for a Step.
type Point struct {
	At         time.Time
	Seconds    int // that were sampled
	Total      int // devices
	Online     int
	Devices    map[string]int // by version, Unknown, Foreign and Others; nil for a team
	Handshakes int
	Failures   map[fleet.ReasonCode]int
}

// Product returns the past of a product, counting devices that actor may not see, too. Errors:
// fleet.NotFound; fleet.Denied, as for fleet.SeeAudit; fleet.Invalid for a query with too many
// points.
func (h *History) Product(ctx context.Context, actor fleet.Actor, product fleet.ProductID, q Query) (Series, error) {
	c, err := h.Catalogs.Catalog(ctx, product)
	if err != nil {
		return Series{}, err
	}
	if err := fleet.May(actor, fleet.SeeAudit, fleet.Object{Team: c.Product.Team}); err != nil {
		return Series{}, err
	}
	return h.past(ctx, c, 0, q)
}

// past answers q about a product, or about a group of it.
func (h *History) past(ctx context.Context, c *fleet.Catalog, group fleet.GroupID, q Query) (Series, error) {
	line := timeline.Line{Product: c.Product.ID, Group: group}
	series, tier, err := q.series(line.Tiers(), h.Clock.Now())
	if err != nil {
		return Series{}, err
	}
	if series.Points, err = h.points(ctx, line, series, tier); err != nil {
		return Series{}, err
	}
	if q.To.IsZero() {
		if series.Now, err = h.now(c, line); err != nil {
			return Series{}, err
		}
	}
	marks, err := h.Timelines.Marks(ctx, c.Product.ID)
	for _, text := range marks {
		m, ok := parseMark(text)
		concerns := group == 0 || m.Group == 0 || m.Group == group
		if ok && concerns && !m.At.Before(series.From) && m.At.Before(series.To) {
			series.Marks = append(series.Marks, m)
		}
	}
	slices.SortStableFunc(series.Marks, func(a, b Mark) int { return a.At.Compare(b.At) })
	series.Marks = once(series.Marks)
	return series, err
}

// Team returns the past of all products of actor's team together, without marks and versions.
// Errors as Product.
func (h *History) Team(ctx context.Context, actor fleet.Actor, q Query) (Series, error) {
	if err := actor.May(fleet.SeeAudit); err != nil {
		return Series{}, err
	}
	series, tier, err := q.series(timeline.Line{}.Tiers(), h.Clock.Now())
	if err != nil {
		return Series{}, err
	}
	products, err := h.Catalogs.Products(ctx, actor.Team)
	if err != nil {
		return Series{}, err
	}
	all := make([][]Point, 0, len(products))
	for _, p := range products {
		points, err := h.points(ctx, timeline.Line{Product: p.ID}, series, tier)
		if err != nil {
			return Series{}, err
		}
		all = append(all, points)
	}
	series.Points = together(all, max(3*idle, 2*series.Step))
	return series, nil
}

// series is the empty answer to q, and which of tiers to read.
func (q Query) series(tiers timeline.Tiers, now time.Time) (s Series, tier int, err error) {
	s.To = q.To
	if q.To.IsZero() {
		s.To = now
	}
	s.From = q.From
	if q.From.IsZero() {
		s.From = s.To.Add(-usualRange)
	}
	span := s.To.Sub(s.From)
	if span <= 0 {
		return s, 0, fleet.FieldErrorf("from", "the range from %s to %s is empty", s.From.Format(time.RFC3339), s.To.Format(time.RFC3339))
	}
	reaches := func(tier int) bool {
		t := tiers[tier]
		return now.Sub(s.From) <= t.Step*time.Duration(t.Buckets+1) // the caller has read the clock earlier
	}
	for tier < len(tiers)-1 && !reaches(tier) {
		tier++
	}
	least := max(q.Step, tiers[tier].Step)
	if q.Step == 0 {
		least = max(least, span/usualPoints)
	}
	s.Step = steps[len(steps)-1]
	if i := slices.IndexFunc(steps, func(step time.Duration) bool { return step >= least }); i >= 0 {
		s.Step = steps[i]
	}
	if span/s.Step > maxPoints {
		return s, 0, fleet.FieldErrorf("step", "%s in steps of %s are more than %d points: use a step of %s or longer, or a shorter range",
			span, s.Step, maxPoints, steps[slices.IndexFunc(steps, func(step time.Duration) bool { return step >= min(span/maxPoints, steps[len(steps)-1]) })])
	}
	for tier+1 < len(tiers) && tiers[tier+1].Step <= s.Step { // the same sums, in fewer buckets
		tier++
	}
	s.From = s.From.Truncate(s.Step)
	return s, tier, nil
}

// now is how a product or group stands, and what this process has counted since its last sample.
func (h *History) now(c *fleet.Catalog, line timeline.Line) (Point, error) {
	stand, err := h.gauges(c, func(g fleet.GroupID) bool { return g == line.Group })
	if err != nil {
		return Point{}, err
	}
	tally := h.Tally(line.Product, line.Group)
	since, counted := tally.Since, fleet.Tally{}
	h.mu.Lock()
	t := h.tracks[line]
	switch {
	case t != nil && !t.at.IsZero():
		since, counted = t.at, t.counted
	case t == nil && line.Group != 0: // it has no past
		since, counted = time.Now(), tally
	}
	h.mu.Unlock()
	var g gauges // without devices
	if stand[line.Group] != nil {
		g = *stand[line.Group]
	}
	sums := make(map[string]int64)
	length := max(seconds(time.Since(since)), 1)
	for _, sum := range slices.Concat(weighted(gauges{}, 0, g, length), counts(counted, tally)) {
		sums[sum.Name] = sum.Number
	}
	return pointOf(h.Clock.Now(), sums), nil
}

// points are those of a line in the range of s.
func (h *History) points(ctx context.Context, line timeline.Line, s Series, tier int) (points []Point, err error) {
	buckets, err := h.Timelines.Buckets(ctx, line, tier, s.From)
	if err != nil {
		return nil, err
	}
	for len(buckets) > 0 && buckets[0].At.Before(s.To) {
		at := buckets[0].At.Truncate(s.Step)
		sums := make(map[string]int64)
		for len(buckets) > 0 && buckets[0].At.Before(at.Add(s.Step)) {
			for name, n := range buckets[0].Sums {
				sums[name] += n
			}
			buckets = buckets[1:]
		}
		points = append(points, pointOf(at, sums))
	}
	return points, nil
}

// named are the names for what is not a version.
var named = map[string]string{"?": Unknown, "!": Foreign, "*": Others}

func pointOf(at time.Time, sums map[string]int64) Point {
	seconds := sums[sumSeconds]
	mean := func(sum int64) int { return int((sum + seconds/2) / max(seconds, 1)) }
	p := Point{
		At: at, Seconds: int(seconds), Online: mean(sums[sumOnline]), Handshakes: int(sums[sumHandshakes]),
		Devices: make(map[string]int), Failures: make(map[fleet.ReasonCode]int),
	}
	devices := int64(0)
	for name, sum := range sums {
		switch kind, rest, _ := strings.Cut(name, ":"); {
		case kind == "f":
			code, _ := strconv.ParseUint(rest, 10, 16) // "*" cannot be: there are fewer reasons than have room
			p.Failures[fleet.ReasonCode(code)] += int(sum)
		case kind != "d":
		default:
			devices += sum
			p.Devices[cmp.Or(named[rest], rest)] += mean(sum)
		}
	}
	p.Total = mean(devices)
	return p
}

// together adds up the points of several products. A product without a point at some time still
// stands as it did up to so long before.
func together(all [][]Point, before time.Duration) []Point {
	sums := make(map[int64]*Point)
	for _, points := range all {
		for _, p := range points {
			sum := sums[p.At.Unix()]
			if sum == nil {
				sum = &Point{At: p.At, Failures: make(map[fleet.ReasonCode]int)}
				sums[p.At.Unix()] = sum
			}
			sum.Seconds = max(sum.Seconds, p.Seconds)
			sum.Handshakes += p.Handshakes
			for reason, n := range p.Failures {
				sum.Failures[reason] += n
			}
		}
	}
	merged := make([]Point, 0, len(sums))
	for _, at := range slices.Sorted(maps.Keys(sums)) {
		merged = append(merged, *sums[at])
	}
	for _, points := range all {
		last := -1
		for i := range merged {
			for last+1 < len(points) && !points[last+1].At.After(merged[i].At) {
				last++
			}
			if last < 0 || merged[i].At.Sub(points[last].At) > before {
				continue
			}
			merged[i].Online += points[last].Online
			merged[i].Total += points[last].Total
		}
	}
	return merged
}
