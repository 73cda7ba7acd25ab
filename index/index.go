package index

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Index holds what lists, filters, counts and impact look at of every device. It is fed with
// device records; of two states of a device, the one with the higher revision is kept. It is
// safe for concurrent use.
type Index struct {
	built     chan struct{} // closed by Finish
	sortLimit int           // rows, at most, that are sorted for a page; for more, a kept order is walked
	sortShare int           // one row in so many, at most, is looked at for the first of them: else walking is less work
	seed      maphash.Seed  // of facts: devices can't choose what collides

	searches recentSearches

	mu         sync.RWMutex // guards all below; texts are searched one block at a time, so that writes don't wait
	shards     map[fleet.TeamID]*shard
	locations  map[fleet.DeviceID]location
	versions   pool[fleet.Version]
	hardware   pool[string] // revisions
	zones      pool[string] // time zones
	gateways   pool[fleet.DeviceID]
	groupSets  pool[string]            // by groupsKey
	groups     [][]fleet.GroupID       // of each group set
	sorted     bool                    // Finish has begun: new shards keep their orders from the start
	onlineOnly map[fleet.DeviceID]bool // online, but not read yet
	presence   *presence               // nil: SetOnline sets who is online
	removed    map[fleet.DeviceID]bool // removed before Finish; nil afterwards
	touched    map[fleet.DeviceID]bool // written or removed during a Rereading; nil otherwise
}

// New returns an empty index. Find, IDs and Count return ErrNotReady until Finish.
func New() *Index {
	x := &Index{
		built: make(chan struct{}), sortLimit: 8000, sortShare: 8, seed: maphash.MakeSeed(),
		shards: map[fleet.TeamID]*shard{}, locations: map[fleet.DeviceID]location{},
		onlineOnly: map[fleet.DeviceID]bool{}, removed: map[fleet.DeviceID]bool{},
	}
	x.versions.take(fleet.Version{})
	x.hardware.take("")
	x.zones.take("")
	x.gateways.take("")
	x.groupSets.take("")
	x.groups = append(x.groups, nil)
	return x
}

// ErrNotReady is returned while devices may be missing from the index.
var ErrNotReady = fleet.Errorf(fleet.Unavailable, "the list of devices is still being read: try again in some seconds")

// Ready reports whether Finish has returned.
func (x *Index) Ready() bool {
	select {
	case <-x.built:
		return true
	default:
		return false
	}
}

// Wait waits until the index is ready; fleet.Unavailable when ctx ends first.
func (x *Index) Wait(ctx context.Context) error {
	select {
	case <-x.built:
		return nil
	case <-ctx.Done():
		return fleet.Errorf(fleet.Unavailable, "the list of devices was not read in time: %w", context.Cause(ctx))
	}
}

// Finish ends the first reading of the records: it sorts the devices and makes the index ready.
// It returns how many there are. It must be called once.
func (x *Index) Finish() (devices int) {
	x.mu.Lock()
	x.removed = nil
	devices = len(x.locations)
	x.mu.Unlock()
	x.sortAll()
	close(x.built)
	return devices
}

// Put stores the state of a device, unless the index has a newer one.
func (x *Index) Put(d *fleet.Device) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.store(d)
	if x.touched != nil {
		x.touched[d.ID] = true
	}
}

// PutRead stores a state that was read before Finish and may be older than a removal.
func (x *Index) PutRead(d *fleet.Device) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.removed[d.ID] {
		x.store(d)
	}
}

// store puts d as Put does; the caller holds x.mu.
func (x *Index) store(d *fleet.Device) {
	at, known := x.locations[d.ID]
	if known && at.shard == x.shards[d.Team] && at.shard.row(at.row).revision > d.Revision {
		return
	}
	x.replace(d)
}

// replace stores d as Replace does; the caller holds x.mu.
func (x *Index) replace(d *fleet.Device) {
	s := x.shard(d.Team)
	at, known := x.locations[d.ID]
	if known && at.shard != s { // created again in another team
		x.drop(d.ID)
		known = false
	}
	if !known {
		at = location{s, s.take()}
		x.locations[d.ID] = at
	}
	x.set(s, at.row, known, d)
	if x.removed != nil {
		delete(x.removed, d.ID)
	}
}

// set stores the state of d in a row. known reports whether the row has an older state of d.
func (x *Index) set(s *shard, at int32, known bool, d *fleet.Device) {
	old, own := *s.row(at), x.newRow(d)
	t := x.newTraits(d)
	if known {
		t.flags |= s.traits(at).flags & rowOnline
		own.id = old.id // the key of the map, instead of an equal text that keeps another packet in memory
	} else if x.onlineOnly[d.ID] {
		delete(x.onlineOnly, d.ID)
		t.flags |= rowOnline
	}
	t.flags = x.presence.mark(t.flags, d)
	moved := [orders]bool{
		fleet.ByID: !known, fleet.ByName: !known || own.name != old.name,
		fleet.ByVersion:       !known || t.running != s.traits(at).running,
		fleet.ByLastHandshake: !known || own.lastHandshake != old.lastHandshake,
	}
	for by := range moved {
		if known && moved[by] {
			s.removeFrom(by, at)
		}
	}
	var hash uint32
	if known {
		x.detach(s, at)
		hash = x.leave(s, at)
	} else {
		hash = d.ID.Hash()
	}
	*s.row(at) = own
	x.join(s, at, hash, t)
	x.release(&t) // the class counts as a user
	s.attach(at)
	for by := range moved {
		if moved[by] {
			s.insertInto(by, at)
		}
	}
	if moved[fleet.ByID] {
		s.setText(at, idText, searchable(own.id.String()))
	}
	if moved[fleet.ByName] {
		s.setText(at, nameText, searchable(own.name))
	}
	if !known || own.facts != old.facts {
		s.setText(at, factTexts, x.factsText(d.Facts))
	}
	if !known || own.notes != old.notes {
		s.setText(at, noteTexts, searchableNotes(d.Notes))
	}
}

func (x *Index) newRow(d *fleet.Device) row {
	r := row{id: d.ID, name: d.Name, revision: d.Revision, gateway: x.gateways.take(d.Gateway)}
	if !d.LastHandshake.IsZero() {
		r.lastHandshake = d.LastHandshake.UnixNano()
	}
	if len(d.Facts) > 0 {
		r.facts = uint32(maphash.Bytes(x.seed, d.Facts))
	}
	if d.Notes != "" {
		r.notes = uint32(maphash.String(x.seed, d.Notes))
	}
	return r
}

// detach removes a row from its gateway's list and releases the gateway's number.
func (x *Index) detach(s *shard, row int32) {
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

// Remove removes a device, whether or not the index has it.
func (x *Index) Remove(id fleet.DeviceID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.removed != nil {
		x.removed[id] = true
	}
	if x.touched != nil {
		x.touched[id] = true
	}
	x.drop(id)
}

// Forget removes a device that turned out to have no record, if the index still has the state
// that Members returned: a newer one means that the device was created again.
func (x *Index) Forget(shown Shown) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at, ok := x.locations[shown.ID]; ok && at.shard.row(at.row).revision == shown.Revision {
		x.drop(shown.ID)
	}
}

// drop removes a device; the caller must hold x.mu.
func (x *Index) drop(id fleet.DeviceID) {
	at, ok := x.locations[id]
	if !ok {
		return
	}
	x.presence.forget(id)
	for by := range at.shard.orders {
		at.shard.removeFrom(by, at.row)
	}
	x.detach(at.shard, at.row)
	x.leave(at.shard, at.row)
	*at.shard.row(at.row) = row{}
	at.shard.setText(at.row, idText, "")
	at.shard.setText(at.row, nameText, "")
	at.shard.setText(at.row, factTexts, "")
	at.shard.setText(at.row, noteTexts, "")
	at.shard.free = append(at.shard.free, at.row)
	delete(x.locations, id)
}

// SetOnline stores whether a device is connected, also of one that was not read yet.
func (x *Index) SetOnline(id fleet.DeviceID, online bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at, ok := x.locations[id]
	switch {
	case ok:
		x.setOnline(at.shard, at.row, online)
	case online:
		x.onlineOnly[id] = true
	default:
		delete(x.onlineOnly, id)
	}
}

func (x *Index) setOnline(s *shard, row int32, online bool) {
	was := *s.traits(row)
	now := was
	if now.flags &^= rowOnline; online {
		now.flags |= rowOnline
	}
	if now == was {
		return
	}
	x.retain(&now) // while no class does
	x.join(s, row, x.leave(s, row), now)
	x.release(&now)
}

// shard returns the shard of a team, a new one if it has none.
func (x *Index) shard(team fleet.TeamID) *shard {
	s := x.shards[team]
	if s == nil {
		s = x.newShard()
		x.shards[team] = s
	}
	return s
}
