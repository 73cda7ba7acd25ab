package store

import (
	"context"
	"math"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Index knows of every device what lists, filters, counts and impact need: about 260
// bytes each, names included. It is derived from the device records: read from Redis once after the
// start, then fed by this process's own writes; of two states of a device the one with
// the higher revision stays.
type Index struct {
	core  *core
	built chan struct{} // closed when every device was read

	mu       sync.RWMutex // guards all below; taken per page of rows, so that a long scan holds up no write
	shelves  map[fleet.TeamID]*shelf
	places   map[fleet.DeviceID]place
	versions pool[fleet.Version]
	gateways pool[fleet.DeviceID]
	groups   pool[string] // joined ids
	sets     [][]fleet.GroupID
	strays   map[fleet.DeviceID]bool // online, but not in the index yet
	removed  map[fleet.DeviceID]bool // deleted while the index was being built; nil afterwards
}

func newIndex(c *core) *Index {
	x := &Index{
		core: c, built: make(chan struct{}),
		shelves: map[fleet.TeamID]*shelf{}, places: map[fleet.DeviceID]place{},
		strays: map[fleet.DeviceID]bool{}, removed: map[fleet.DeviceID]bool{},
	}
	x.versions.take(fleet.Version{})
	x.gateways.take("")
	x.groups.take("")
	x.sets = append(x.sets, nil)
	return x
}

// Ready reports whether every device was read since the start.
func (x *Index) Ready() bool {
	select {
	case <-x.built:
		return true
	default:
		return false
	}
}

// Wait waits until the index is ready or ctx ends.
func (x *Index) Wait(ctx context.Context) error {
	select {
	case <-x.built:
		return nil
	case <-ctx.Done():
		return gaveUp(ctx)
	}
}

func (x *Index) ready() error {
	if !x.Ready() {
		return fleet.Errorf(fleet.Unavailable, "the list of devices is still being read: try again in some seconds")
	}
	return nil
}

// put makes the index show d, unless it shows a newer state.
func (x *Index) put(d *fleet.Device) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.shelf(d.Team)
	at, known := x.places[d.ID]
	if known && at.shelf != s { // created again in another team
		x.drop(d.ID)
		known = false
	}
	if known && s.at(at.row).revision > d.Revision {
		return
	}
	if !known {
		at = place{s, s.take()}
		x.places[d.ID] = at
	}
	l := s.at(at.row)
	oldFact, oldRow := *l.fact, *l.row
	fact, row := x.fill(d)
	if known {
		fact.flags |= oldFact.flags & rowOnline
		row.id = oldRow.id // what the map points at is not replaced by an equal text of another packet
	} else if x.strays[d.ID] {
		delete(x.strays, d.ID)
		fact.flags |= rowOnline
	}
	moved := [sorts]bool{
		fleet.ByID: !known, fleet.ByName: !known || row.name != oldRow.name, fleet.ByVersion: !known || fact.running != oldFact.running,
		fleet.ByLastHandshake: !known || row.lastHandshake != oldRow.lastHandshake,
	}
	for by := range moved {
		if known && moved[by] {
			s.orders[by].remove(at.row)
		}
	}
	*l.fact, *l.row = fact, row
	for by := range moved {
		if moved[by] {
			s.orders[by].insert(at.row)
		}
	}
	s.forget(at.row, moved[fleet.ByID], moved[fleet.ByName])
	x.release(&oldFact, &oldRow) // after fill, so that what stays the same is not freed and made again
	if x.removed != nil {
		delete(x.removed, d.ID)
	}
}

// putRead is put for a state that was read and may be older than a deletion.
func (x *Index) putRead(d *fleet.Device) {
	x.mu.RLock()
	gone := x.removed[d.ID]
	x.mu.RUnlock()
	if !gone {
		x.put(d)
	}
}

func (x *Index) fill(d *fleet.Device) (fact, row) {
	f := fact{
		product: d.Product, kind: d.Kind, gateway: x.gateways.take(d.Gateway), groups: x.takeSet(d.Groups),
		running: x.versions.take(d.Running), lock: x.versions.take(d.Lock), attemptsFor: x.versions.take(d.Attempts.Target),
		spent: int16(min(d.Attempts.Spent, math.MaxInt16)), flags: rowUsed,
	}
	for _, claim := range []struct {
		holds bool
		flag  flags
	}{
		{d.Development, rowDevelopment}, {d.UpdatesOn, rowUpdatesOn}, {d.Force, rowForce},
		{d.Disabled, rowDisabled}, {d.Attempts.Held, rowHeld},
	} {
		if claim.holds {
			f.flags |= claim.flag
		}
	}
	r := row{
		id: d.ID, name: d.Name, revision: d.Revision,
		updateTo: x.versions.take(d.Update.To), reason: d.Update.Reason, update: d.Update.State,
	}
	if !d.LastHandshake.IsZero() {
		r.lastHandshake = d.LastHandshake.UnixNano()
	}
	return f, r
}

func (x *Index) takeSet(ids []fleet.GroupID) int32 {
	n := x.groups.take(joinGroups(ids))
	if int(n) == len(x.sets) {
		x.sets = append(x.sets, nil)
	}
	if len(ids) > 0 && x.groups.uses[n] == 1 {
		x.sets[n] = append([]fleet.GroupID(nil), ids...)
	}
	return n
}

func (x *Index) release(f *fact, r *row) {
	if f.flags&rowUsed == 0 {
		return
	}
	x.gateways.release(f.gateway)
	x.groups.release(f.groups)
	for _, v := range []int32{f.running, f.lock, f.attemptsFor, r.updateTo} {
		x.versions.release(v)
	}
}

// remove makes the index forget id.
func (x *Index) remove(id fleet.DeviceID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.removed != nil {
		x.removed[id] = true
	}
	x.drop(id)
}

func (x *Index) drop(id fleet.DeviceID) {
	at, ok := x.places[id]
	if !ok {
		return
	}
	for by := range at.shelf.orders {
		at.shelf.orders[by].remove(at.row)
	}
	l := at.shelf.at(at.row)
	x.release(l.fact, l.row)
	*l.fact, *l.row = fact{}, row{}
	at.shelf.forget(at.row, true, true)
	at.shelf.free = append(at.shelf.free, int(at.row))
	delete(x.places, id)
}

// setOnline is remembered also for a device that was not read yet.
func (x *Index) setOnline(id fleet.DeviceID, online bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at, ok := x.places[id]
	switch {
	case ok && online:
		at.shelf.at(at.row).flags |= rowOnline
	case ok:
		at.shelf.at(at.row).flags &^= rowOnline
	case online:
		x.strays[id] = true
	default:
		delete(x.strays, id)
	}
}

func (x *Index) shelf(team fleet.TeamID) *shelf {
	s := x.shelves[team]
	if s == nil {
		s = &shelf{}
		for by := range s.orders {
			s.orders[by].compare = x.comparison(s, fleet.DeviceSort(by))
		}
		x.shelves[team] = s
	}
	return s
}
