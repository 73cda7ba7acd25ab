package index

import (
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

func (x *Index) expand(l line, e *fleet.IndexEntry) {
	x.expandFact(l.fact, e)
	e.ID, e.Name, e.Gateway = l.id, l.name, x.gateways.values[l.gateway]
	if l.lastHandshake != 0 {
		e.LastHandshake = time.Unix(0, l.lastHandshake).UTC()
	}
}

// expandFact tells what the devices of a class have in common.
func (x *Index) expandFact(d *fact, e *fleet.IndexEntry) {
	*e = fleet.IndexEntry{
		Product: d.product, Kind: d.kind, Groups: x.sets[d.groups],
		Running: x.versions.values[d.running], Lock: x.versions.values[d.lock],
		Development: d.flags&rowDevelopment != 0, UpdatesOn: d.flags&rowUpdatesOn != 0,
		Force: d.flags&rowForce != 0, Disabled: d.flags&rowDisabled != 0, Online: d.flags&rowOnline != 0,
		Update: d.update, UpdateTo: x.versions.values[d.updateTo], Reason: d.reason,
		Held: d.flags&rowHeld != 0, Spent: int(d.spent), AttemptsFor: x.versions.values[d.attemptsFor],
	}
}

// maxAlike bounds the kinds of devices that Count keeps before it tells of them.
const maxAlike = 8192

// alike is devices that don't differ in what expandFact tells.
type alike struct {
	entry   fleet.IndexEntry
	devices int
}

// Count calls visit for the devices of a product, 0 of all, that the actor sees, many at a
// time: once for devices that are alike, and how many those are. The entry tells all but
// id, name, gateway and last handshake. Some that are alike may come apart. It takes as
// long as there are kinds of devices, not devices; of up to 8192 kinds it tells as of one
// moment. It returns fleet.Unavailable before the index is ready.
func (x *Index) Count(actor fleet.Actor, product fleet.ProductID, visit func(e *fleet.IndexEntry, devices int)) error {
	if err := x.ready(); err != nil {
		return err
	}
	var all []alike
	for from, more := 0, true; more; from += maxAlike {
		all, more = all[:0], false
		x.selection(fleet.DeviceQuery{Actor: actor, Product: product}, func(f *filter) {
			end := min(len(f.classes), from+maxAlike)
			more = end < len(f.classes)
			for n := from; n < end; n++ {
				if devices := f.members(int32(n)); devices > 0 {
					all = append(all, alike{devices: devices})
					x.expandFact(&f.shelf.classes[n].fact, &all[len(all)-1].entry)
				}
			}
		})
		for i := range all {
			visit(&all[i].entry, all[i].devices)
		}
	}
	return nil
}

// Shown names a device and the revision the index shows.
type Shown struct {
	ID       fleet.DeviceID
	Revision uint64
}

// Members returns the devices of a team that are in group g, also before the index is ready.
func (x *Index) Members(team fleet.TeamID, g fleet.GroupID) (devices []Shown) {
	x.selection(fleet.DeviceQuery{Actor: fleet.Actor{Team: team, Role: fleet.Owner}, Groups: []fleet.GroupID{g}}, func(f *filter) {
		f.each(func(at int32) {
			r := f.shelf.row(at)
			devices = append(devices, Shown{r.id, r.revision})
		})
	})
	return devices
}
