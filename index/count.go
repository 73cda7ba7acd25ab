package index

import (
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Entry returns what the index has of a device: fleet.NotFound when there is none, ErrNotReady
// while it may not have been read yet.
func (x *Index) Entry(id fleet.DeviceID) (fleet.IndexEntry, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at, ok := x.locations[id]
	if !ok {
		if !x.Ready() {
			return fleet.IndexEntry{}, ErrNotReady
		}
		return fleet.IndexEntry{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	}
	e := x.expand(at.shard.traits(at.row))
	r := at.shard.row(at.row)
	e.ID, e.Name, e.Gateway = r.id, r.name, x.gateways.values[r.gateway]
	if r.lastHandshake != 0 {
		e.LastHandshake = time.Unix(0, r.lastHandshake).UTC()
	}
	return e, nil
}

// Online reports whether a device is connected, according to the index.
func (x *Index) Online(id fleet.DeviceID) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at, ok := x.locations[id]
	return ok && at.shard.traits(at.row).flags&rowOnline != 0
}

// expand returns an entry of traits, without what is a device's own.
func (x *Index) expand(t *traits) fleet.IndexEntry {
	target := t.updateTo
	if t.updateGoal != 0 {
		target = t.updateGoal
	}
	return fleet.IndexEntry{
		Product: t.product, Kind: t.kind, Groups: x.groups[t.groups],
		Running: x.versions.values[t.running], Hardware: x.hardware.values[t.hardware],
		Zone: x.zones.values[t.zone], MaxImage: t.maxImage, Lock: x.versions.values[t.lock],
		Development: t.flags&rowDevelopment != 0, UpdatesOn: t.flags&rowUpdatesOn != 0,
		Force: t.flags&rowForce != 0, Disabled: t.flags&rowDisabled != 0, Online: t.flags&rowOnline != 0,
		Update: t.update, UpdateTo: x.versions.values[t.updateTo], UpdateTarget: x.versions.values[target], Reason: t.reason, Release: t.release,
		Held: t.flags&rowHeld != 0, Spent: int(t.spent), AttemptsFor: x.versions.values[t.attemptsFor], AttemptsSince: t.since,
	}
}

// maxTallies is how many classes Count copies while it holds the lock.
const maxTallies = 8192

// tally is how many devices of a class a query selects.
type tally struct {
	entry   fleet.IndexEntry
	devices int
}

// Count calls visit for the devices of a product, 0 for all products, that the actor sees: once
// per class, with the number of its devices and an entry without name, gateway and last
// handshake, and with the id of any one of them. The same entry may come more than once. A class
// is visited in parts if one of the splits goes through it, so that the devices of each part are on
// the same side of all of them; the entries have the gateway if a split separates by it. It takes
// time by the number of classes, and by the number of devices only where splits are. Up to 8192 classes are counted as of one moment. It returns
// ErrNotReady before Finish.
func (x *Index) Count(actor fleet.Actor, product fleet.ProductID, splits []fleet.Split, visit func(e *fleet.IndexEntry, devices int)) error {
	if !x.Ready() {
		return ErrNotReady
	}
	var tallies []tally
	for from, more := 0, true; more; from += maxTallies {
		tallies, more = tallies[:0], false
		x.query(fleet.DeviceQuery{Actor: actor, Product: product}, func(f *filter) {
			end := min(len(f.classes), from+maxTallies)
			more = end < len(f.classes)
			for n := from; n < end; n++ {
				tallies = f.tally(int32(n), splits, tallies)
			}
		})
		for i := range tallies {
			visit(&tallies[i].entry, tallies[i].devices)
		}
	}
	return nil
}

// tally appends the devices of a class that f selects, apart from their texts: one tally for
// each part that the splits make.
func (f *filter) tally(n int32, splits []fleet.Split, tallies []tally) []tally {
	if f.classes[n] == selectNone {
		return tallies
	}
	c := &f.shard.classes[n]
	add := func(row, gateway int32, devices int) {
		e := f.index.expand(&c.traits)
		e.ID, e.Gateway = f.shard.row(row).id, f.index.gateways.values[gateway]
		tallies = append(tallies, tally{e, devices})
	}
	through, byGateway := f.index.splitsThrough(splits, &c.traits)
	if len(through) == 0 && !byGateway {
		if devices := f.countClass(n); devices > 0 {
			add(c.rows[0], 0, devices)
		}
		return tallies
	}
	if f.classes[n] == selectAll && !byGateway && len(through) <= maxCounters {
		for _, p := range c.divide(through) {
			if p.devices > 0 {
				add(p.row, 0, p.devices)
			}
		}
		return tallies
	}
	parts := make(map[side]*part)
	var last *part
	var lastSide side
	for i, row := range c.rows {
		if !f.passes(n, row) {
			continue
		}
		var at side
		for bit, split := range through {
			if uint64(fleet.Mix(c.hashes[i], split.Salt)) < split.Below {
				at.below |= 1 << bit
			}
		}
		if byGateway {
			at.gateway = f.shard.row(row).gateway
		}
		if last == nil || at != lastSide { // mostly it is the same as before
			if last = parts[at]; last == nil {
				last = &part{row: row}
				parts[at] = last
			}
			lastSide = at
		}
		last.devices++
	}
	for at, p := range parts {
		add(p.row, at.gateway, p.devices)
	}
	return tallies
}

// maxCounters is the most splits through a class whose parts have a counter each.
const maxCounters = 3

// divide returns the parts that some splits make of a class. A million devices go through it at each
// impact of a release: its loop has no branches.
func (c *class) divide(through []fleet.Split) (parts [1 << maxCounters]part) {
	for i, hash := range c.hashes {
		side := uint64(0)
		for bit, split := range through {
			side |= (uint64(fleet.Mix(hash, split.Salt)) - split.Below) >> 63 << bit // 1 if it is below: both are at most 2^32
		}
		p := &parts[side]
		p.row = c.rows[i]
		p.devices++
	}
	return parts
}

// side is where a device is in regard to the splits.
type side struct {
	below   uint64 // a bit per split
	gateway int32  // points into the pool; 0 if no split separates by it
}

// part is the devices of a class on the same side of all splits.
type part struct {
	row     int32 // of one of them
	devices int
}

// maxSplits bounds the splits through one class; a product has fewer (fleet.Catalog.Begin).
const maxSplits = 64

// splitsThrough returns those splits that concern devices with these traits, and whether one
// separates them by gateway.
func (x *Index) splitsThrough(splits []fleet.Split, t *traits) (through []fleet.Split, byGateway bool) {
	for _, split := range splits {
		switch {
		case split.Gateways:
			byGateway = byGateway || t.kind == fleet.BLE
		case (split.Group == 0 || slices.Contains(x.groups[t.groups], split.Group)) && len(through) < maxSplits:
			through = append(through, split)
		}
	}
	return through, byGateway
}

// Shown names a device and the revision that the index has of it.
type Shown struct {
	ID       fleet.DeviceID
	Revision uint64
}

// Members returns the devices of a team that are in group g, of those that were read so far.
func (x *Index) Members(team fleet.TeamID, g fleet.GroupID) (devices []Shown) {
	x.query(fleet.DeviceQuery{Actor: fleet.Actor{Team: team, Role: fleet.Owner}, Groups: []fleet.GroupID{g}}, func(f *filter) {
		f.each(func(at int32) {
			r := f.shard.row(at)
			devices = append(devices, Shown{r.id, r.revision})
		})
	})
	return devices
}
