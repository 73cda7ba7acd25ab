// Package pace keeps releases with a plan within their limits: how many devices they update at
// the same time, how many they begin in an hour, and how many of a group's devices, or behind a gateway, are out of
// service (docs/rules.md, "Releases with a plan").
//
// What devices were doing comes as a Standing, counted about once a second; between two of
// them the places that were taken are added. So a limit is never exceeded, and a place that
// became free is given away at the next Standing. Servers that share a store take turns.
package pace

import (
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

const (
	reserved = 30 * time.Second // how long a place is kept for a device whose update does not begin
	soonest  = 10 * time.Second // for the next try
	latest   = time.Hour
	unknown  = 2 * time.Second // until there is a Standing
	perHour  = float64(time.Hour)
)

// Key names a release.
type Key struct {
	Product fleet.ProductID
	Release fleet.ReleaseID
}

// Standing is what the devices of a release's target were doing at one time.
type Standing struct {
	UnderWay int // updated by the release
	Waiting  int // they could begin
	Hourly   int // how many may begin in an hour by now, where the plan has a rate
	Groups   map[fleet.GroupID]Members
	Behind   map[fleet.DeviceID]int // being updated behind each gateway
}

// Members are the devices of a group: connected or being updated, and, of them, being updated.
type Members struct{ Present, Busy int }

// Device is a device that asks for a place.
type Device struct {
	ID     fleet.DeviceID
	Groups []fleet.GroupID // never modified

	Gateway fleet.DeviceID // that it is behind, "" if none
}

// DeviceOf returns d as a device that asks for a place.
func DeviceOf(d *fleet.Device) Device {
	return Device{ID: d.ID, Groups: d.Groups, Gateway: d.Gateway}
}

// DevicesOf returns one of the devices that e stands for, to Look for all of them.
func DevicesOf(e *fleet.IndexEntry) Device { return Device{Groups: e.Groups, Gateway: e.Gateway} }

// Pace keeps count of all releases with limits. It is safe for concurrent use.
type Pace struct {
	mu       sync.Mutex
	releases map[Key]*release          // guarded by mu
	taken    map[fleet.DeviceID]taking // places that a Standing may not contain yet; guarded by mu
	busy     map[fleet.GroupID]int     // of taken, by group; guarded by mu
	behind   map[fleet.DeviceID]int    // of taken, by gateway; guarded by mu
	begun    uint64                    // updates that began; guarded by mu
	shared   *shared                   // guarded by mu; nil: this server is alone
}

type release struct {
	standing Standing
	known    bool      // standing is
	counted  time.Time // when standing began to be, by this machine's clock
	taken    int       // places of Pace.taken
	tokens   float64
	filled   time.Time
}

// taking is a place of a device.
type taking struct {
	key    Key
	groups []fleet.GroupID
	behind fleet.DeviceID
	at     time.Time
	begun  uint64 // not 0: its update began, as this one of all
}

// New returns a Pace without releases.
func New() *Pace {
	return &Pace{releases: make(map[Key]*release), taken: make(map[fleet.DeviceID]taking), busy: make(map[fleet.GroupID]int), behind: make(map[fleet.DeviceID]int)}
}

// Look returns what Take would, without taking a place.
func (p *Pace) Look(k Key, limits fleet.ReleaseLimits, d Device, now time.Time) precedence.Full {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.full(k, limits, d, now)
}

// Take takes a place for d's update by a release with these limits, or returns the limit that
// leaves none. A device that has a place keeps it.
func (p *Pace) Take(k Key, limits fleet.ReleaseLimits, d Device, now time.Time) precedence.Full {
	if limits == (fleet.ReleaseLimits{}) {
		return precedence.Full{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, has := p.taken[d.ID]; has && t.key == k {
		return precedence.Full{}
	}
	full := p.full(k, limits, d, now)
	if full.Limit == "" && !p.mayBegin(p.of(k, now), limits) {
		return precedence.Full{Limit: precedence.LimitUnknown, Again: soonest}
	}
	if full.Limit == "" {
		p.remove(d.ID) // a place of an earlier release
		p.taken[d.ID] = taking{key: k, groups: d.Groups, behind: d.Gateway, at: now}
		r := p.releases[k]
		r.taken++
		r.tokens--
		for _, g := range d.Groups {
			p.busy[g]++
		}
		if d.Gateway != "" {
			p.behind[d.Gateway]++
		}
	}
	return full
}

// Began records that the update for which d took a place is written.
func (p *Pace) Began(id fleet.DeviceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, has := p.taken[id]; has && t.begun == 0 {
		p.begun++
		t.begun = p.begun
		p.taken[id] = t
	}
}

// Drop gives back a place that d took and whose update has not begun.
func (p *Pace) Drop(id fleet.DeviceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, has := p.taken[id]; has && t.begun == 0 {
		p.remove(id)
		p.of(t.key, t.at).tokens++ // full bounds it
	}
}

// remove removes the place of a device, if it has one. The caller holds p.mu.
func (p *Pace) remove(id fleet.DeviceID) {
	t, has := p.taken[id]
	if !has {
		return
	}
	delete(p.taken, id)
	p.of(t.key, t.at).taken--
	for _, g := range t.groups {
		if p.busy[g]--; p.busy[g] == 0 {
			delete(p.busy, g)
		}
	}
	if t.behind != "" {
		if p.behind[t.behind]--; p.behind[t.behind] == 0 {
			delete(p.behind, t.behind)
		}
	}
}

// Mark is the moment from which devices are counted for a Standing.
func (p *Pace) Mark() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

// Set replaces what is known of a release. Updates that began before mark are in s.
func (p *Pace) Set(k Key, s Standing, mark uint64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.of(k, now)
	r.standing, r.known, r.counted = s, true, now
	for id, t := range p.taken {
		if t.key == k && t.begun != 0 && t.begun <= mark || t.begun == 0 && now.Sub(t.at) >= reserved {
			p.remove(id)
		}
	}
}

// Forget drops what is known of a release that has ended.
func (p *Pace) Forget(k Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, t := range p.taken {
		if t.key == k {
			p.remove(id)
		}
	}
	delete(p.releases, k)
}

func (p *Pace) of(k Key, now time.Time) *release {
	r := p.releases[k]
	if r == nil {
		r = &release{tokens: 1, filled: now}
		if p.shared != nil {
			r.tokens /= float64(max(p.shared.servers(), 1))
		}
		p.releases[k] = r
	}
	return r
}

// full returns the limit that leaves no place for d. The caller holds p.mu.
func (p *Pace) full(k Key, limits fleet.ReleaseLimits, d Device, now time.Time) precedence.Full {
	if limits == (fleet.ReleaseLimits{}) {
		return precedence.Full{}
	}
	r := p.of(k, now)
	if !r.known {
		return precedence.Full{Limit: precedence.LimitUnknown, Again: unknown}
	}
	underWay := r.standing.UnderWay + r.taken
	if limits.AtOnce > 0 && underWay >= limits.AtOnce {
		return precedence.Full{Limit: precedence.LimitAtOnce, Count: underWay, Of: limits.AtOnce, Again: r.again(float64(r.standing.Waiting) / float64(limits.AtOnce) * float64(soonest))}
	}
	if limits.Group > 0 {
		for _, g := range d.Groups {
			members := r.standing.Groups[g]
			most := max(members.Present*int(limits.Group)/int(fleet.Whole), 1)
			if busy := members.Busy + p.busy[g]; busy >= most {
				return precedence.Full{Limit: precedence.LimitGroup, Count: busy, Of: most, Again: 3 * soonest}
			}
		}
	}
	if busy := r.standing.Behind[d.Gateway] + p.behind[d.Gateway]; limits.Behind > 0 && d.Gateway != "" && busy >= limits.Behind {
		return precedence.Full{Limit: precedence.LimitGateway, Count: busy, Of: limits.Behind, Again: 3 * soonest}
	}
	if limits.Hourly > 0 {
		hourly := max(limits.Hourly, r.standing.Hourly)
		servers, keep, least := p.part(limits)
		rate := float64(hourly) / perHour / servers
		r.tokens = min(r.tokens+rate*float64(max(now.Sub(r.filled), 0)), max(least, rate*float64(keep)))
		r.filled = now
		if r.tokens < 1 {
			return precedence.Full{Limit: precedence.LimitHourly, Count: hourly, Of: hourly, Again: r.again(max(float64(r.standing.Waiting), 1) / rate)}
		}
	}
	return precedence.Full{}
}

// again is when a device may ask again that waits together with others for as long as this.
func (r *release) again(wait float64) time.Duration {
	return min(max(time.Duration(min(wait, float64(latest))), soonest), latest)
}
