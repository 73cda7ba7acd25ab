package index

import "github.com/muster-iot/muster/fleet"

// Rereading corrects an index whose records may have changed without it: after an outage of the
// store, writes may have been carried out that it gave up on, and others may be lost. What is
// read replaces what the index has, whatever its revision. Writes of this process that reach
// the index meanwhile are newer than what is read. One Rereading at a time; lists are served
// meanwhile.
type Rereading struct {
	x       *Index
	within  func(fleet.DeviceID) bool
	changed int
}

// Reread begins to correct the index for the devices that within accepts, nil for all. Records must
// be read after that, and none with PutRead any more.
func (x *Index) Reread(within func(fleet.DeviceID) bool) *Rereading {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.touched = map[fleet.DeviceID]bool{}
	for _, s := range x.shards {
		for _, b := range s.blocks {
			b.seen = [blockRows / 64]uint64{}
		}
	}
	return &Rereading{x: x, within: within}
}

// Put stores the state of a device as it was read.
func (r *Rereading) Put(d *fleet.Device) {
	x := r.x
	x.mu.Lock()
	defer x.mu.Unlock()
	at, known := x.locations[d.ID]
	if x.touched[d.ID] {
		if known { // else it was removed meanwhile
			x.store(d)
		}
		return
	}
	if !known || at.shard != x.shards[d.Team] || at.shard.row(at.row).revision != d.Revision {
		r.changed++
	}
	x.replace(d) // after a fail-over the same revision may be another state
	at = x.locations[d.ID]
	at.shard.blocks[at.row/blockRows].seen[at.row%blockRows/64] |= 1 << (at.row % 64)
}

// Absent removes a device that has no record.
func (r *Rereading) Absent(id fleet.DeviceID) {
	r.x.mu.Lock()
	defer r.x.mu.Unlock()
	if _, known := r.x.locations[id]; known && !r.x.touched[id] {
		r.x.drop(id)
		r.changed++
	}
}

// Finish ends the reading and returns how many devices it corrected. all reports whether every
// record was read: devices that were not among them are removed.
func (r *Rereading) Finish(all bool) (changed int) {
	x := r.x
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() { x.touched = nil }()
	if !all {
		return r.changed
	}
	for id, at := range x.locations {
		if seen := at.shard.blocks[at.row/blockRows].seen[at.row%blockRows/64]&(1<<(at.row%64)) != 0; !seen && !x.touched[id] && (r.within == nil || r.within(id)) {
			x.drop(id)
			r.changed++
		}
	}
	return r.changed
}

// Replace stores the state of a device, whatever the index has: for a caller that ensures the order of
// the writes.
func (x *Index) Replace(d *fleet.Device) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.replace(d)
	if x.touched != nil {
		x.touched[d.ID] = true
	}
}
