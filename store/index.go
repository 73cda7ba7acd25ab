package store

import (
	"context"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Index knows of every device what lists, filters, counts and impact need: about 230
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

// shelf holds the devices of one team, in pages that never move.
type shelf struct {
	pages []*page
	used  int   // rows ever used
	free  []int // rows to use again
}

const pageRows = 1024

type page [pageRows]row

type place struct {
	shelf *shelf
	row   int32
}

// row is one device; id is "" in a free one. Numbers of versions, gateways and group
// sets point into the pools.
type row struct {
	id            fleet.DeviceID
	name          string
	revision      uint64
	lastHandshake int64 // Unix ns, 0: never
	product       fleet.ProductID
	gateway       int32
	groups        int32
	running       int32
	lock          int32
	updateTo      int32
	attemptsFor   int32
	spent         int32
	reason        fleet.ReasonCode
	update        fleet.UpdateState
	kind          fleet.DeviceKind
	flags         rowFlags
}

type rowFlags uint8

const (
	rowDevelopment rowFlags = 1 << iota
	rowUpdatesOn
	rowForce
	rowDisabled
	rowOnline
	rowHeld
)

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

func (s *shelf) at(i int) *row { return &s.pages[i/pageRows][i%pageRows] }

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
	if !known {
		at = place{s, s.take()}
		x.places[d.ID] = at
	}
	r := s.at(int(at.row))
	if known && r.revision > d.Revision {
		return
	}
	old := *r
	x.fill(r, d)
	if known { // what the map points at is not replaced by an equal text of another packet
		r.id = old.id
	}
	if !known && x.strays[d.ID] {
		delete(x.strays, d.ID)
		r.flags |= rowOnline
	}
	x.release(&old) // after fill, so that what stays the same is not freed and made again
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

func (x *Index) fill(r *row, d *fleet.Device) {
	online := r.flags & rowOnline
	*r = row{
		id: d.ID, name: d.Name, revision: d.Revision, product: d.Product, kind: d.Kind,
		gateway: x.gateways.take(d.Gateway), groups: x.takeSet(d.Groups),
		running: x.versions.take(d.Running), lock: x.versions.take(d.Lock),
		updateTo: x.versions.take(d.Update.To), attemptsFor: x.versions.take(d.Attempts.Target),
		spent: int32(d.Attempts.Spent), reason: d.Update.Reason, update: d.Update.State, flags: online,
	}
	if !d.LastHandshake.IsZero() {
		r.lastHandshake = d.LastHandshake.UnixNano()
	}
	for _, f := range []struct {
		set  bool
		flag rowFlags
	}{
		{d.Development, rowDevelopment}, {d.UpdatesOn, rowUpdatesOn}, {d.Force, rowForce},
		{d.Disabled, rowDisabled}, {d.Attempts.Held, rowHeld},
	} {
		if f.set {
			r.flags |= f.flag
		}
	}
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

func (x *Index) release(r *row) {
	if r.id == "" {
		return
	}
	x.gateways.release(r.gateway)
	x.groups.release(r.groups)
	for _, v := range []int32{r.running, r.lock, r.updateTo, r.attemptsFor} {
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
	r := at.shelf.at(int(at.row))
	x.release(r)
	*r = row{}
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
		at.shelf.at(int(at.row)).flags |= rowOnline
	case ok:
		at.shelf.at(int(at.row)).flags &^= rowOnline
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
		x.shelves[team] = s
	}
	return s
}

// take finds a row to use.
func (s *shelf) take() int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return int32(i)
	}
	if s.used == len(s.pages)*pageRows {
		s.pages = append(s.pages, new(page))
	}
	s.used++
	return int32(s.used - 1)
}
