package rehearsal

import (
	"cmp"
	"container/heap"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/rollout"
)

const lookEvery = time.Second // as rollout.Service does, while anything happens

// rehearsal is one run.
type rehearsal struct {
	catalog  *fleet.Catalog
	release  fleet.ReleaseID
	version  fleet.Version
	index    *index.Index
	pace     *pace.Pace
	life     ota.Life
	observer *rollout.Observer
	devices  map[fleet.DeviceID]*device

	slots       int
	rate        float64 // bytes per second of all downloads; 0: no limit
	hello       time.Duration
	maxAttempts int

	began, now time.Time
	looked     time.Time // when the release was looked at last
	dirty      bool      // something happened since
	counts     fleet.ReleaseCounts
	stuck      bool // nothing more can happen

	events  events
	order   int       // of events, so that those of one time stay in order
	line    []*device // wait for a slot
	sending int
	speed   float64 // of all downloads now, bytes per second
	peak    float64
	sent    int64

	stages []Stage
	curve  []Moment
	thin   int // every so many looks are a Moment
	looks  int
}

// event is something that a device does at a time.
type event struct {
	at      time.Time
	order   int
	device  *device
	pending int // of the device; another one there: the event is void
	happens func(*rehearsal, *device)
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return cmp.Or(e[i].at.Compare(e[j].at), e[i].order-e[j].order) < 0
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// after has d do something later, in place of what it would have done.
func (x *rehearsal) after(wait time.Duration, d *device, happens func(*rehearsal, *device)) {
	d.pending++
	x.order++
	heap.Push(&x.events, event{x.now.Add(wait), x.order, d, d.pending, happens})
}

// run runs the release until it can't continue.
func (x *rehearsal) run(ctx context.Context) error {
	for _, d := range x.sorted() {
		if away := x.now.Sub(d.lastHello); !d.online && !d.lastHello.IsZero() && away < silent {
			x.after(max(away, time.Minute), d, (*rehearsal).returns)
		}
	}
	if r, underWay := x.catalog.Release(x.release); underWay && r.State == fleet.ReleaseRunning {
		x.enter(r)
	}
	x.dirty = true
	for steps := 0; ; steps++ {
		if steps%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		look, looks := x.nextLook()
		switch {
		case len(x.events) == 0 && !looks:
			x.stuck = true
			return nil
		case len(x.events) > 0 && (!looks || x.events[0].at.Before(look)):
			e := heap.Pop(&x.events).(event)
			if e.pending != e.device.pending {
				continue
			}
			x.now = e.at
			e.happens(x, e.device)
			x.dirty = true
		default:
			x.now = look
			if err := x.look(); err != nil {
				return err
			}
		}
		if x.now.Sub(x.began) > horizon {
			return nil
		}
	}
}

// nextLook is when the release is looked at next: soon after something has happened, else when its
// hold or its wait for the start is over.
func (x *rehearsal) nextLook() (at time.Time, looks bool) {
	r, underWay := x.catalog.Release(x.release)
	soon := x.now.Truncate(lookEvery).Add(lookEvery)
	switch {
	case !underWay:
		return at, false
	case x.dirty:
		return soon, true
	case r.State == fleet.ReleaseScheduled:
		return latest(soon, r.Plan.Start), true
	case x.counts.Updating[fleet.Applying] > 0: // whose absence may become a loss
		return latest(soon, x.looked.Add(time.Minute)), true
	case r.State == fleet.ReleaseRunning:
		return latest(soon, x.looked.Add(r.Plan.Stages[r.Stage].Hold-r.Held)), true
	}
	return at, false
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// look is what rollout.Service does once a second.
func (x *rehearsal) look() error {
	r, underWay := x.catalog.Release(x.release)
	if !underWay {
		return nil
	}
	next, n, moved, err := x.observer.Look(x.catalog, r, x.now.Sub(x.looked), true)
	if err != nil {
		return err
	}
	x.counts, x.looked, x.dirty = n, x.now, moved
	x.note(next, n, moved)
	if moved {
		x.enter(next)
	}
	return nil
}

// enter has devices hear of a change of the release: those online at once, or when they say Hello
// next; downloads of what is no longer the target end.
func (x *rehearsal) enter(r fleet.Release) {
	if n := len(x.stages); r.State == fleet.ReleaseRunning && (n == 0 || x.stages[n-1].Number != r.Stage+1) {
		x.stages = append(x.stages, Stage{Number: r.Stage + 1, Share: r.Reached(), Began: x.now.Sub(x.began)})
	}
	for _, d := range x.sorted() {
		target, _ := x.target(d)
		switch {
		case d.Update.State.Running() && d.Update.State < fleet.Applying && !d.Update.Target().Equal(target):
			x.drop(d)
			x.life.Supersede(&d.Device)
			x.put(d)
			x.decide(d)
		case !d.online || d.Update.State.Running() || !target.Valid() || target.Equal(d.Running):
		case r.Now && r.State != fleet.ReleaseHalted:
			x.after(0, d, (*rehearsal).decide)
		default:
			x.after(x.untilHello(d), d, (*rehearsal).decide)
		}
	}
}

// sorted are the devices by id, so that two rehearsals of one fleet are the same.
func (x *rehearsal) sorted() []*device {
	return slices.SortedFunc(maps.Values(x.devices), func(a, b *device) int { return cmp.Compare(a.ID, b.ID) })
}
