package history

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/timeline"
)

// Names used in place of a version in Point.Devices. No version has such a name.
const (
	Unknown = "version unknown"   // the device never reported one
	Foreign = "not uploaded here" // the product has no such version
	Others  = "other versions"    // for which there was no room
)

// The names of sums in a timeline. Those of versions are weighted by the seconds they stood.
const (
	sumSeconds    = "s"
	sumOnline     = "o" // weighted too
	sumHandshakes = "h"
	sumDevices    = "d:" // and a version, or one of the following
	sumUnknown    = "d:?"
	sumForeign    = "d:!"
	sumFailures   = "f:" // and a reason
)

// track is what is known of a product, or of a group of one, between two samples.
type track struct {
	line     timeline.Line
	number   uint64          // of the last write
	pending  *timeline.Write // the last write, until it is known to be added
	counted  fleet.Tally     // by all writes; guarded by History.mu
	at       time.Time       // of the last write, by the monotonic clock; zero: none yet; guarded by History.mu
	gauges   gauges          // how the fleet stood then, and until stood
	stood    time.Time
	targets  map[fleet.GroupID]target
	unsure   []string                 // marks that the server that leads may not have written before it died
	releases map[fleet.ReleaseID]bool // those in the catalog
	grouped  time.Time                // when the groups of the product were sampled last; zero: not yet
}

// gauges are how a fleet stands.
type gauges struct {
	online  int
	devices map[string]int // by the name of its sum
}

// total is the number of devices; nil has none.
func (g *gauges) total() (n int) {
	if g == nil {
		return 0
	}
	for _, devices := range g.devices {
		n += devices
	}
	return n
}

func (g gauges) equal(other gauges) bool {
	return g.online == other.online && maps.Equal(g.devices, other.devices)
}

// add adds a sample of a product, and those of its groups if they are due; last: whether or not they
// are. After an error the same writes are tried again.
func (h *History) add(ctx context.Context, t *track, last bool) error {
	c, err := h.Catalogs.Catalog(ctx, t.line.Product)
	if err != nil {
		return err
	}
	if err := errors.Join(h.write(ctx, t), h.dropForgotten(ctx, t, c)); err != nil {
		return err
	}
	due := last || time.Since(t.grouped) >= groupsEvery-every/2
	stand, err := h.gauges(c, func(fleet.GroupID) bool { return due })
	if err != nil {
		return err
	}
	tally := h.Tally(t.line.Product, 0)
	marks := t.moves(c, tally.Since, h.Clock.Now())
	if err := h.record(ctx, t, *stand[0], tally, marks, idle); err != nil || !due {
		return err
	}
	return h.addGroups(ctx, t, c, stand)
}

// record writes how a product or group stands and what was counted since the last write. While
// nothing changes it writes once per rest.
func (h *History) record(ctx context.Context, t *track, g gauges, tally fleet.Tally, marks []string, rest time.Duration) error {
	now, since := time.Now(), t.at
	if since.IsZero() {
		since = tally.Since
	}
	counts := counts(t.counted, tally)
	if !h.Leads() {
		t.unsure = append(recent(t.unsure, h.Clock.Now()), marks...)
		return h.addCounts(ctx, t, g, tally, counts)
	}
	marks, t.unsure = append(recent(t.unsure, h.Clock.Now()), marks...), nil
	if len(marks)+len(counts) == 0 && (g.equal(t.gauges) && now.Sub(since) < rest || len(g.devices) == 0 && len(t.gauges.devices) == 0) {
		t.stood = now
		return nil
	}
	before := max(t.stood.Sub(since), 0) // nothing was written while nothing changed
	sums := weighted(t.gauges, seconds(before), g, max(seconds(now.Sub(since)-before), 1))
	t.number++
	t.pending = &timeline.Write{Writer: h.writer, Number: t.number, At: h.Clock.Now(), Marks: marks, Sums: slices.Concat(sums, counts)}
	t.gauges, t.stood = g, now
	h.mu.Lock()
	t.counted, t.at = tally, now
	h.mu.Unlock()
	return h.write(ctx, t)
}

// addCounts adds what this server has counted: how the fleet stands is sampled by another one.
func (h *History) addCounts(ctx context.Context, t *track, g gauges, tally fleet.Tally, counts []timeline.Sum) error {
	now := time.Now()
	t.gauges, t.stood = g, now
	h.mu.Lock()
	t.counted, t.at = tally, now
	h.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	t.number++
	t.pending = &timeline.Write{Writer: h.writer, Number: t.number, At: h.Clock.Now(), Sums: counts}
	return h.write(ctx, t)
}

// write adds the pending write of t.
func (h *History) write(ctx context.Context, t *track) error {
	if t.pending == nil {
		return nil
	}
	if err := h.Timelines.Add(ctx, t.line, *t.pending); err != nil {
		return err
	}
	t.pending = nil
	return nil
}

// gauges counts the devices of a product, whoever may see them: all of them under 0, and those of each
// group that has any and is wanted.
func (h *History) gauges(c *fleet.Catalog, wanted func(fleet.GroupID) bool) (map[fleet.GroupID]*gauges, error) {
	all := &gauges{devices: make(map[string]int)}
	stand := map[fleet.GroupID]*gauges{0: all}
	owner := fleet.Actor{Team: c.Product.Team, Role: fleet.Owner}
	err := h.Index.Count(owner, c.Product.ID, nil, func(e *fleet.IndexEntry, devices int) {
		name := sumForeign
		if e.Running.IsZero() {
			name = sumUnknown
		} else if f, uploaded := c.Find(e.Running); uploaded {
			name = sumDevices + f.Version.String()
		}
		all.add(name, e.Online, devices)
		for _, group := range e.Groups {
			if !wanted(group) {
				continue
			}
			if stand[group] == nil {
				stand[group] = &gauges{devices: make(map[string]int)}
			}
			stand[group].add(name, e.Online, devices)
		}
	})
	return stand, err
}

func (g *gauges) add(name string, online bool, devices int) {
	if g.devices[name] += devices; online {
		g.online += devices
	}
}

// weighted are the sums of a fleet that stood as a, then as b, for so many seconds each, the most
// frequent versions first.
func weighted(a gauges, secondsA int64, b gauges, secondsB int64) []timeline.Sum {
	devices := make(map[string]int64)
	for name, n := range a.devices {
		devices[name] += int64(n) * secondsA
	}
	for name, n := range b.devices {
		devices[name] += int64(n) * secondsB
	}
	sums := []timeline.Sum{
		{Name: sumSeconds, Number: secondsA + secondsB}, {Name: sumOnline, Number: int64(a.online)*secondsA + int64(b.online)*secondsB},
	}
	names := slices.SortedFunc(maps.Keys(devices), func(x, y string) int {
		return cmp.Or(cmp.Compare(devices[y], devices[x]), cmp.Compare(x, y))
	})
	for _, name := range names {
		if devices[name] > 0 {
			sums = append(sums, timeline.Sum{Name: name, Number: devices[name]})
		}
	}
	return sums
}

func seconds(d time.Duration) int64 { return int64(d.Round(time.Second) / time.Second) }

// counts are what was counted between two tallies.
func counts(before, now fleet.Tally) (sums []timeline.Sum) {
	if n := now.Handshakes - before.Handshakes; n > 0 {
		sums = append(sums, timeline.Sum{Name: sumHandshakes, Number: int64(n)}) //nolint:gosec // of a few seconds
	}
	for _, reason := range slices.Sorted(maps.Keys(now.Failures)) {
		if n := now.Failures[reason] - before.Failures[reason]; n > 0 {
			sums = append(sums, timeline.Sum{Name: sumFailures + strconv.Itoa(int(reason)), Number: int64(n)})
		}
	}
	return sums
}

// dropForgotten drops the curves of releases that the catalog has forgotten.
func (h *History) dropForgotten(ctx context.Context, t *track, c *fleet.Catalog) error {
	known := make(map[fleet.ReleaseID]bool)
	for _, r := range c.Releases() {
		known[r.ID] = true
	}
	for id := range t.releases {
		if !known[id] {
			if err := h.Timelines.DropCurve(ctx, t.line.Product, id); err != nil {
				return err
			}
		}
	}
	t.releases = known
	return nil
}
