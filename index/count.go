package index

import (
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

// expand returns an entry of traits, without what is a device's own.
func (x *Index) expand(t *traits) fleet.IndexEntry {
	return fleet.IndexEntry{
		Product: t.product, Kind: t.kind, Groups: x.groups[t.groups],
		Running: x.versions.values[t.running], Hardware: x.hardware.values[t.hardware], Lock: x.versions.values[t.lock],
		Development: t.flags&rowDevelopment != 0, UpdatesOn: t.flags&rowUpdatesOn != 0,
		Force: t.flags&rowForce != 0, Disabled: t.flags&rowDisabled != 0, Online: t.flags&rowOnline != 0,
		Update: t.update, UpdateTo: x.versions.values[t.updateTo], Reason: t.reason,
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
// per class, with the number of its devices and an entry without id, name, gateway and last
// handshake. The same entry may come more than once. It takes time by the number of classes, not
// of devices. Up to 8192 classes are counted as of one moment. It returns ErrNotReady before
// Finish.
func (x *Index) Count(actor fleet.Actor, product fleet.ProductID, visit func(e *fleet.IndexEntry, devices int)) error {
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
				if devices := f.countClass(int32(n)); devices > 0 {
					tallies = append(tallies, tally{x.expand(&f.shard.classes[n].traits), devices})
				}
			}
		})
		for i := range tallies {
			visit(&tallies[i].entry, tallies[i].devices)
		}
	}
	return nil
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
