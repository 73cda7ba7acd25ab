package device

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

// gap is the longest time between two chunks of a running download. It is less than a server needs to give
// the place of a slow download to another device and back.
const gap = 500 * time.Millisecond

// tooMany is how long there may be more than ota.max_updates after Redis lost grants, or a server continued after
// a pause (docs/adr/0044): a second, and what a busy machine adds.
const tooMany = 2 * time.Second

// Transfers counts the devices that are sent chunks at the same time: those that got a chunk before a moment and
// get another one after it, on the same connection and of the same update. A device of a busy machine may read a
// chunk that was on its way when its slot passed to another one, whose first chunk was read before: that is seen at
// one sample, and is not too many.
type Transfers struct {
	Limit int

	last    map[int]sighting // of each device
	samples []sample         // of the last gap, the oldest first: devices are still added to them

	mu     sync.Mutex
	judged int // samples; guarded by mu, as all below
	most   int
	over   []Excess
	doubts []doubt
}

// doubt is a time in which grants may have been lost.
type doubt struct{ from, to time.Time }

// sighting is what a device had when it was last seen to have got more chunks.
type sighting struct {
	simulator.Stats
	at int // number of the sample
}

type sample struct {
	at  time.Time
	num int // from the first
	n   int // devices
}

// Excess is a time in which more devices were sent chunks than Limit.
type Excess struct {
	From, To time.Time
	Most     int
}

func (e Excess) String() string {
	return fmt.Sprintf("%d devices were sent chunks at %s, for %v", e.Most, e.From.Format("15:04:05.000"), e.To.Sub(e.From).Round(time.Millisecond))
}

// Watch counts until ctx ends.
func (t *Transfers) Watch(ctx context.Context, f *simulator.Fleet, ids []fleet.DeviceID) {
	const (
		every = 50 * time.Millisecond
		sweep = 2 * time.Millisecond // a look at the fleet that takes longer is not one moment: a slot may have changed hands
	)
	all := make([]simulator.Stats, len(ids))
	for ; ctx.Err() == nil; _ = process.Pause(ctx, every) {
		began := time.Now()
		for i, id := range ids {
			d, _ := f.Device(id)
			all[i] = d.Stats
		}
		if time.Since(began) <= sweep {
			t.Sample(began, all)
		}
	}
}

// Sample adds what every device has at a moment. Calls must not overlap, and the same devices must come in the
// same order.
func (t *Transfers) Sample(now time.Time, all []simulator.Stats) {
	for len(t.samples) > 0 && now.Sub(t.samples[0].at) > gap {
		t.judge(t.samples[0])
		t.samples = t.samples[1:]
	}
	num := 0
	if n := len(t.samples); n > 0 {
		num = t.samples[n-1].num + 1
	} else {
		t.last = map[int]sighting{}
	}
	t.samples = append(t.samples, sample{at: now, num: num})
	for i, s := range all {
		before, seen := t.last[i]
		if seen && before.Chunks == s.Chunks {
			continue
		}
		if seen && before.Connects == s.Connects && before.Updates == s.Updates && before.Stops == s.Stops && before.at >= t.samples[0].num {
			for j := before.at - t.samples[0].num; j < len(t.samples)-1; j++ {
				t.samples[j].n++
			}
		}
		t.last[i] = sighting{s, num}
		if !seen { // its chunks don't show when they came
			t.last[i] = sighting{s, -1}
		}
	}
}

// judge takes a sample that no device is added to any more.
func (t *Transfers) judge(s sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.judged++
	t.most = max(t.most, s.n)
	last := len(t.over) - 1
	switch {
	case s.n <= t.Limit:
	case last >= 0 && s.at.Sub(t.over[last].To) <= gap:
		t.over[last].To, t.over[last].Most = s.at, max(t.over[last].Most, s.n)
	default:
		t.over = append(t.over, Excess{s.at, s.at, s.n})
	}
}

// Judged returns how many samples were judged, and the most devices of one.
func (t *Transfers) Judged() (samples, most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.judged, t.most
}

// Doubt notes that grants may have been lost since a moment, or that a server has not noticed yet that they were.
func (t *Transfers) Doubt(since, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.doubts = append(t.doubts, doubt{since, now.Add(tooMany)})
}

// Over returns when there were more than Limit: excused or not.
func (t *Transfers) Over() (excused, wrong []Excess) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.over {
		if e.From.Equal(e.To) {
			continue
		}
		if slices.ContainsFunc(t.doubts, func(d doubt) bool { return e.From.After(d.from) && e.From.Before(d.to) && e.To.Sub(e.From) <= tooMany }) {
			excused = append(excused, e)
		} else {
			wrong = append(wrong, e)
		}
	}
	return excused, wrong
}
