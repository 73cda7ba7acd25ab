package timeline

import (
	"cmp"
	"context"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Tier is how long buckets of one length are kept.
type Tier struct {
	Step    time.Duration
	Buckets int
}

// Tiers are what is kept of a line, from fine to coarse.
type Tiers [keys.Tiers]Tier

var (
	// ofProducts is 10 s for two hours, minutes for 48 hours, hours for 30 days, days for two years.
	ofProducts = Tiers{{10 * time.Second, 720}, {time.Minute, 2880}, {time.Hour, 720}, {24 * time.Hour, 731}}
	// ofGroups is minutes for 6 hours and ten of them for 48 hours, then the same: a product has many groups.
	ofGroups = Tiers{{time.Minute, 360}, {10 * time.Minute, 288}, {time.Hour, 720}, {24 * time.Hour, 731}}
)

// Line names what has a timeline: a product, or its devices in one group.
type Line struct {
	Product fleet.ProductID
	Group   fleet.GroupID // 0: all devices
}

// Tiers are those of l.
func (l Line) Tiers() Tiers {
	if l.Group != 0 {
		return ofGroups
	}
	return ofProducts
}

// bucket is how large a bucket may be; further names are added up by their kind.
func (l Line) bucket() (bytes int) {
	if l.Group != 0 {
		return maxBucket / 2
	}
	return maxBucket
}

func (l Line) keys() keys.Timeline { return keys.TimelineOf(l.Product, l.Group) }

const (
	maxBucket = 1024 // bytes
	maxMarks  = 200  // of a product
	maxMark   = 200  // bytes
	maxPoints = 300  // of a curve
	maxPoint  = 200  // bytes
	curvePace = 10 * time.Second
)

var (
	//go:embed add.lua
	addSource string
	//go:embed keep.lua
	keepSource string

	addScript  = pipeline.NewScript(addSource)
	keepScript = pipeline.NewScript(keepSource)
)

// Scripts are those the pipeline must load.
func Scripts() []*pipeline.Script { return []*pipeline.Script{addScript, keepScript} }

// Timelines are the timelines of all products in one Redis. It is safe for concurrent use.
type Timelines struct{ redis *pipeline.Pipeline }

// New returns the timelines of p.
func New(p *pipeline.Pipeline) *Timelines { return &Timelines{redis: p} }

// Write is what is added to a timeline at one time.
type Write struct {
	Writer string // the process
	Number uint64 // of the writes of Writer to this timeline, from 1 on: a repeated write counts once
	At     time.Time
	Sums   []Sum    // the most important first: there may be no room for the names of all
	Marks  []string // without line ends; cut at 200 bytes
}

// Sum is a number of a name. A name is KIND or KIND:REST, without spaces or "=". For what there is
// no room, REST becomes "*".
type Sum struct {
	Name   string
	Number int64 // not negative
}

// Add adds w to a timeline, unless it is that of a group and has not begun, or has ended. After fleet.Unavailable it may have been
// added, or may be later: add it again.
func (s *Timelines) Add(ctx context.Context, l Line, w Write) error {
	k, group := l.keys(), ""
	if l.Group != 0 {
		group = l.Group.String()
	}
	args := []any{w.Writer, strconv.FormatUint(w.Number, 10), seconds(w.At), l.bucket(), maxMarks, len(w.Marks), group}
	for _, t := range l.Tiers() {
		args = append(args, int(t.Step/time.Second), t.Buckets)
	}
	for _, mark := range w.Marks {
		args = append(args, mark[:min(len(mark), maxMark)])
	}
	for _, sum := range w.Sums {
		args = append(args, sum.Name, strconv.FormatInt(sum.Number, 10))
	}
	_, err := s.redis.Run(ctx, addScript, append([]string{k.Writers, k.Marks, keys.TimelineGroups(l.Product)}, k.Tiers[:]...), args...)
	return err
}

// Bucket is what was added from At on for the length of a tier's step.
type Bucket struct {
	At   time.Time
	Sums map[string]int64
}

// Buckets returns what is kept in one of the tiers of a line from a time on, by time.
func (s *Timelines) Buckets(ctx context.Context, l Line, tier int, from time.Time) ([]Bucket, error) {
	texts, err := s.list(ctx, l.keys().Tiers[tier])
	if err != nil {
		return nil, err
	}
	buckets := make([]Bucket, 0, len(texts))
	for _, text := range texts {
		if at, sums := split(text); !at.Before(from) {
			buckets = append(buckets, Bucket{at, numbers(sums)})
		}
	}
	slices.SortStableFunc(buckets, func(a, b Bucket) int { return a.At.Compare(b.At) })
	merged := buckets[:0]
	for _, b := range buckets {
		if n := len(merged); n > 0 && merged[n-1].At.Equal(b.At) { // the clock went back
			for name, number := range b.Sums {
				merged[n-1].Sums[name] += number
			}
			continue
		}
		merged = append(merged, b)
	}
	return merged, nil
}

// Marks returns the marks of a product, the first one first.
func (s *Timelines) Marks(ctx context.Context, product fleet.ProductID) ([]string, error) {
	return s.list(ctx, keys.TimelineOf(product, 0).Marks)
}

// Point is one point of a curve.
type Point struct {
	At      time.Time
	Numbers map[string]int64
}

// Keep appends a point to the curve of a release, if its newest one is old enough, or if it is the
// last. It may be repeated.
func (s *Timelines) Keep(ctx context.Context, product fleet.ProductID, release fleet.ReleaseID, at time.Time, numbers []Sum, last bool) error {
	text := seconds(at)
	for _, n := range numbers {
		if more := " " + n.Name + "=" + strconv.FormatInt(n.Number, 10); len(text)+len(more) <= maxPoint {
			text += more
		}
	}
	always := "0"
	if last {
		always = "1"
	}
	_, err := s.redis.Run(ctx, keepScript, []string{keys.Curve(product, release), keys.TimelineOf(product, 0).Paces},
		release.String(), text, int(curvePace/time.Second), maxPoints, always)
	return err
}

// Curve returns the points of a release, by time.
func (s *Timelines) Curve(ctx context.Context, product fleet.ProductID, release fleet.ReleaseID) ([]Point, error) {
	texts, err := s.list(ctx, keys.Curve(product, release))
	points := make([]Point, 0, len(texts))
	for _, text := range texts {
		at, sums := split(text)
		points = append(points, Point{at, numbers(sums)})
	}
	slices.SortStableFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	return points, err
}

// Groups returns the groups of a product that have a timeline.
func (s *Timelines) Groups(ctx context.Context, product fleet.ProductID) ([]fleet.GroupID, error) {
	key := keys.TimelineGroups(product)
	texts, err := pipeline.Fetch(ctx, s.redis, key, func(p redis.Pipeliner) pipeline.Result[[]string] {
		return p.SMembers(context.Background(), key)
	})
	groups := make([]fleet.GroupID, 0, len(texts))
	for _, text := range texts {
		if id, err := strconv.ParseUint(text, 10, 32); err == nil {
			groups = append(groups, fleet.GroupID(id))
		}
	}
	slices.Sort(groups)
	return groups, err
}

// Begin notes that a group of a product has a timeline from now on, so that Drop finds it.
func (s *Timelines) Begin(ctx context.Context, product fleet.ProductID, group fleet.GroupID) error {
	key := keys.TimelineGroups(product)
	return s.redis.Do(ctx, key, func(p redis.Pipeliner) redis.Cmder { return p.SAdd(context.Background(), key, group.String()) })
}

// End removes the timeline of a group. It may be repeated.
func (s *Timelines) End(ctx context.Context, product fleet.ProductID, group fleet.GroupID) error {
	key, all := keys.TimelineGroups(product), keys.TimelineOf(product, group).Names()
	if err := s.redis.Do(ctx, key, func(p redis.Pipeliner) redis.Cmder { return p.Unlink(context.Background(), all...) }); err != nil {
		return err
	}
	return s.redis.Do(ctx, key, func(p redis.Pipeliner) redis.Cmder { return p.SRem(context.Background(), key, group.String()) })
}

// Drop removes the timelines of a product that is deleted and of its groups, with the curves of releases.
func (s *Timelines) Drop(ctx context.Context, product fleet.ProductID, releases []fleet.ReleaseID) error {
	groups, err := s.Groups(ctx, product)
	if err != nil {
		return err
	}
	all := append(keys.TimelineOf(product, 0).Names(), keys.TimelineGroups(product))
	for _, group := range groups {
		all = append(all, keys.TimelineOf(product, group).Names()...)
	}
	for _, id := range releases {
		all = append(all, keys.Curve(product, id))
	}
	return s.redis.Do(ctx, all[0], func(p redis.Pipeliner) redis.Cmder { return p.Unlink(context.Background(), all...) })
}

// DropCurve removes the curve of a release that the catalog has forgotten.
func (s *Timelines) DropCurve(ctx context.Context, product fleet.ProductID, release fleet.ReleaseID) error {
	paces, curve := keys.TimelineOf(product, 0).Paces, keys.Curve(product, release)
	return cmp.Or(
		s.redis.Do(ctx, paces, func(p redis.Pipeliner) redis.Cmder { return p.HDel(context.Background(), paces, release.String()) }),
		s.redis.Do(ctx, paces, func(p redis.Pipeliner) redis.Cmder { return p.Unlink(context.Background(), curve) }),
	)
}

func (s *Timelines) list(ctx context.Context, key string) ([]string, error) {
	return pipeline.Fetch(ctx, s.redis, key, func(p redis.Pipeliner) pipeline.Result[[]string] {
		return p.LRange(context.Background(), key, 0, -1)
	})
}

func seconds(at time.Time) string { return strconv.FormatInt(max(at.Unix(), 0), 10) }

// split splits what a script or Keep has written.
func split(text string) (at time.Time, sums string) {
	first, sums, _ := strings.Cut(text, " ")
	n, _ := strconv.ParseInt(first, 10, 64)
	return time.Unix(n, 0).UTC(), sums
}

func numbers(text string) map[string]int64 {
	sums := make(map[string]int64)
	for part := range strings.FieldsSeq(text) {
		name, number, _ := strings.Cut(part, "=")
		sums[name], _ = strconv.ParseInt(number, 10, 64)
	}
	return sums
}
