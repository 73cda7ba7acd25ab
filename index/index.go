package index

import (
	"context"
	"slices"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Index knows of every device what lists, filters, counts and impact need: about 270
// bytes each, ids and names included. It is derived from the device records: read from Redis once after the
// start, then fed by this process's own writes; of two states of a device the one with
// the higher revision stays.
type Index struct {
	built chan struct{} // closed when every device was read
	few   int           // rows, at most, that are sorted for a page; of more, an order that is kept is walked

	searches searches

	mu       sync.RWMutex // guards all below; texts are searched page by page, so that this holds up no write
	shelves  map[fleet.TeamID]*shelf
	places   map[fleet.DeviceID]place
	versions pool[fleet.Version]
	gateways pool[fleet.DeviceID]
	groups   pool[string] // joined ids
	sets     [][]fleet.GroupID
	arranged bool                    // all were read: each finds its place as it comes
	strays   map[fleet.DeviceID]bool // online, but not in the index yet
	removed  map[fleet.DeviceID]bool // deleted while the index was being built; nil afterwards
}

// New returns an empty index. Find, IDs and Count return fleet.Unavailable until Finish.
func New() *Index {
	x := &Index{
		built: make(chan struct{}), few: 1000,
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
		return fleet.Errorf(fleet.Unavailable, "the list of devices was not read in time: %w", context.Cause(ctx))
	}
}

// ErrNotReady is returned while devices may be missing from the index.
var ErrNotReady = fleet.Errorf(fleet.Unavailable, "the list of devices is still being read: try again in some seconds")

func (x *Index) ready() error {
	if !x.Ready() {
		return ErrNotReady
	}
	return nil
}

// Finish ends the first reading of the records: it sorts what was put and makes the index
// ready. It returns the number of devices. It must be called once.
func (x *Index) Finish() (devices int) {
	x.mu.Lock()
	x.removed = nil
	devices = len(x.places)
	x.mu.Unlock()
	x.arrange()
	close(x.built)
	return devices
}

// Put makes the index show d, unless it shows a newer state.
func (x *Index) Put(d *fleet.Device) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.show(d)
}

// PutRead is Put for a state that was read and may be older than a deletion.
func (x *Index) PutRead(d *fleet.Device) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.removed[d.ID] {
		x.show(d)
	}
}

// show is Put for who holds the lock.
func (x *Index) show(d *fleet.Device) {
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
	x.set(s, at.row, known, d)
	if x.removed != nil {
		delete(x.removed, d.ID)
	}
}

// set makes a row show d. known says that it shows an older state of it.
func (x *Index) set(s *shelf, at int32, known bool, d *fleet.Device) {
	old, own := *s.row(at), x.row(d)
	f := x.fact(d)
	if known {
		f.flags |= s.classes[s.link(at).class].fact.flags & rowOnline
		own.id = old.id // what the map points at is not replaced by an equal text of another packet
	} else if x.strays[d.ID] {
		delete(x.strays, d.ID)
		f.flags |= rowOnline
	}
	moved := [sorts]bool{
		fleet.ByID: !known, fleet.ByName: !known || own.name != old.name,
		fleet.ByVersion:       !known || f.running != s.classes[s.link(at).class].fact.running,
		fleet.ByLastHandshake: !known || own.lastHandshake != old.lastHandshake,
	}
	for by := range moved {
		if known && moved[by] {
			s.displace(by, at)
		}
	}
	if known {
		x.detach(s, at)
		x.leave(s, at)
	}
	*s.row(at) = own
	x.join(s, at, f)
	x.release(&f) // the class keeps it
	x.attach(s, at)
	for by := range moved {
		if moved[by] {
			s.place(by, at)
		}
	}
	if moved[fleet.ByID] {
		s.write(at, idText, string(own.id))
	}
	if moved[fleet.ByName] {
		s.write(at, nameText, own.name)
	}
}

func (x *Index) row(d *fleet.Device) row {
	r := row{id: d.ID, name: d.Name, revision: d.Revision, gateway: x.gateways.take(d.Gateway)}
	if !d.LastHandshake.IsZero() {
		r.lastHandshake = d.LastHandshake.UnixNano()
	}
	return r
}

// attach lists a row with its gateway.
func (x *Index) attach(s *shelf, row int32) {
	if g := s.row(row).gateway; g != 0 {
		s.attached[g] = append(s.attached[g], row)
	}
}

// detach takes a row from its gateway, and gives the gateway's number back.
func (x *Index) detach(s *shelf, row int32) {
	g := s.row(row).gateway
	if g != 0 {
		rows := s.attached[g]
		i := slices.Index(rows, row)
		if rows = slices.Delete(rows, i, i+1); len(rows) > 0 {
			s.attached[g] = rows
		} else {
			delete(s.attached, g)
		}
	}
	x.gateways.release(g)
}

// Remove makes the index forget id.
func (x *Index) Remove(id fleet.DeviceID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.removed != nil {
		x.removed[id] = true
	}
	x.drop(id)
}

// Forget removes a device that has no record, if the index still shows the state that
// Members returned: a newer one means that the device was created again.
func (x *Index) Forget(shown Shown) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at, ok := x.places[shown.ID]; ok && at.shelf.row(at.row).revision == shown.Revision {
		x.drop(shown.ID)
	}
}

func (x *Index) drop(id fleet.DeviceID) {
	at, ok := x.places[id]
	if !ok {
		return
	}
	for by := range at.shelf.orders {
		at.shelf.displace(by, at.row)
	}
	x.detach(at.shelf, at.row)
	x.leave(at.shelf, at.row)
	*at.shelf.row(at.row) = row{}
	at.shelf.write(at.row, idText, "")
	at.shelf.write(at.row, nameText, "")
	at.shelf.free = append(at.shelf.free, at.row)
	delete(x.places, id)
}

// SetOnline is remembered also for a device that was not read yet.
func (x *Index) SetOnline(id fleet.DeviceID, online bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at, ok := x.places[id]
	switch {
	case ok:
		x.mark(at.shelf, at.row, online)
	case online:
		x.strays[id] = true
	default:
		delete(x.strays, id)
	}
}

func (x *Index) mark(s *shelf, row int32, online bool) {
	was := s.classes[s.link(row).class].fact
	now := was
	if now.flags &^= rowOnline; online {
		now.flags |= rowOnline
	}
	if now == was {
		return
	}
	x.keep(&now) // while it is in no class
	x.leave(s, row)
	x.join(s, row, now)
	x.release(&now)
}

func (x *Index) shelf(team fleet.TeamID) *shelf {
	s := x.shelves[team]
	if s == nil {
		s = x.newShelf()
		x.shelves[team] = s
	}
	return s
}
