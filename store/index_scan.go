package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Entry returns what the index knows of a device: fleet.NotFound when there is none,
// fleet.Unavailable while it may not have been read yet.
func (x *Index) Entry(id fleet.DeviceID) (fleet.IndexEntry, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at, ok := x.places[id]
	if !ok {
		if err := x.ready(); err != nil {
			return fleet.IndexEntry{}, err
		}
		return fleet.IndexEntry{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	}
	var e fleet.IndexEntry
	x.expand(at.shelf.at(at.row), &e)
	return e, nil
}

// Each calls visit for the devices of a team, of one product or with 0 of all, in no
// order, until it returns false. visit may do anything, but not keep the entry: it is
// used again. Devices that come or go meanwhile may be visited or not. It returns
// fleet.Unavailable before the index is ready.
func (x *Index) Each(team fleet.TeamID, product fleet.ProductID, visit func(*fleet.IndexEntry) bool) error {
	if err := x.ready(); err != nil {
		return err
	}
	entries := make([]fleet.IndexEntry, 0, pageRows)
	x.pages(team, func(p *page, used int) bool {
		entries = entries[:0]
		for i := range used {
			if d := &p.facts[i]; d.flags&rowUsed != 0 && (product == 0 || d.product == product) {
				entries = append(entries, fleet.IndexEntry{})
				x.expand(line{d, &p.rows[i]}, &entries[len(entries)-1])
			}
		}
		return true
	}, func() bool {
		for i := range entries {
			if !visit(&entries[i]) {
				return false
			}
		}
		return true
	})
	return nil
}

// pages calls look for each page of a team, and how many of its rows were ever used, with the lock held, and after each,
// when it is not nil, between without it, until one returns false.
func (x *Index) pages(team fleet.TeamID, look func(p *page, used int) bool, between func() bool) {
	for i := 0; ; i++ {
		x.mu.RLock()
		s := x.shelves[team]
		if s == nil || i*pageRows >= s.used {
			x.mu.RUnlock()
			return
		}
		more := look(s.pages[i], min(pageRows, s.used-i*pageRows))
		x.mu.RUnlock()
		if !more || between != nil && !between() {
			return
		}
	}
}

func (x *Index) expand(l line, e *fleet.IndexEntry) {
	x.expandFact(l.fact, e)
	e.ID, e.Name, e.Online = l.id, l.name, l.flags&rowOnline != 0
	e.Update, e.UpdateTo, e.Reason = l.update, x.versions.values[l.updateTo], l.reason
	if l.lastHandshake != 0 {
		e.LastHandshake = time.Unix(0, l.lastHandshake).UTC()
	}
}

// expandFact tells what impact looks at.
func (x *Index) expandFact(d *fact, e *fleet.IndexEntry) {
	*e = fleet.IndexEntry{
		Product: d.product, Kind: d.kind, Gateway: x.gateways.values[d.gateway], Groups: x.sets[d.groups],
		Running: x.versions.values[d.running], Lock: x.versions.values[d.lock],
		Development: d.flags&rowDevelopment != 0, UpdatesOn: d.flags&rowUpdatesOn != 0,
		Force: d.flags&rowForce != 0, Disabled: d.flags&rowDisabled != 0,
		Held: d.flags&rowHeld != 0, Spent: int(d.spent), AttemptsFor: x.versions.values[d.attemptsFor],
	}
}

// Versions counts the devices the actor sees, of one product or with 0 of all, by the
// version they run, highest first. Spellings of one version count as one; devices that
// never said what they run are not counted.
func (x *Index) Versions(actor fleet.Actor, product fleet.ProductID) ([]fleet.VersionCount, error) {
	if err := x.ready(); err != nil {
		return nil, err
	}
	counts := map[string]*fleet.VersionCount{}
	x.visible(actor, product, func(d *fact) {
		v := x.versions.values[d.running]
		if v.IsZero() {
			return
		}
		key := cmp.Or(v.Key(), "unreadable "+v.String())
		if counts[key] == nil {
			counts[key] = &fleet.VersionCount{Version: v}
		}
		counts[key].Devices++
	})
	sorted := make([]fleet.VersionCount, 0, len(counts))
	for _, c := range counts {
		sorted = append(sorted, *c)
	}
	slices.SortFunc(sorted, func(a, b fleet.VersionCount) int {
		return cmp.Or(b.Version.Compare(a.Version), cmp.Compare(a.Version.String(), b.Version.String()))
	})
	return sorted, nil
}

// GroupCounts counts the devices the actor sees, of one product or with 0 of all, by
// group. Groups the actor does not hold are not hidden: that is for the caller to do.
func (x *Index) GroupCounts(actor fleet.Actor, product fleet.ProductID) (map[fleet.GroupID]int, error) {
	if err := x.ready(); err != nil {
		return nil, err
	}
	counts := map[fleet.GroupID]int{}
	x.visible(actor, product, func(d *fact) {
		for _, g := range x.sets[d.groups] {
			counts[g]++
		}
	})
	return counts, nil
}

// visible calls visit, with the lock held, for each device the actor sees.
func (x *Index) visible(actor fleet.Actor, product fleet.ProductID, visit func(*fact)) {
	f := newFilter(x, fleet.DeviceQuery{Actor: actor, Product: product})
	x.pages(actor.Team, func(p *page, used int) bool {
		f.begin()
		for i := range p.facts[:used] {
			if d := &p.facts[i]; f.selects(d) {
				visit(d)
			}
		}
		return true
	}, nil)
}

// members returns the devices of a team that are in group g.
func (x *Index) members(team fleet.TeamID, g fleet.GroupID) (ids []fleet.DeviceID) {
	f := newFilter(x, fleet.DeviceQuery{Actor: fleet.Actor{Team: team, Role: fleet.Owner}, Groups: []fleet.GroupID{g}})
	x.pages(team, func(p *page, used int) bool {
		f.begin()
		for i := range p.facts[:used] {
			if f.selects(&p.facts[i]) {
				ids = append(ids, p.rows[i].id)
			}
		}
		return true
	}, nil)
	return ids
}
