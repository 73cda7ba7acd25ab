package index

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

type verdict uint8

const (
	no verdict = iota
	yes
	ask // each BLE device's gateway decides
)

// judge says whether f selects the devices of a class, as far as their texts allow.
func (f *filter) judge(d *fact) verdict {
	q := &f.q
	if d.flags&f.must == f.be &&
		(q.Product == 0 || d.product == q.Product) &&
		(q.Locked == nil || *q.Locked == (d.lock != 0)) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, d.kind)) &&
		(len(q.Updates) == 0 || slices.Contains(q.Updates, d.update)) &&
		(q.Version.IsZero() || f.runs(d.running)) &&
		(q.UpdateTo.IsZero() || f.index.versions.values[d.updateTo].Equal(q.UpdateTo)) &&
		(!q.NoVersion || d.running == 0) &&
		(len(q.Groups) == 0 || f.inGroups(d.groups)) &&
		(!q.NoGroup || f.inNone(d.groups)) {
		return f.eye.sees(d)
	}
	return no
}

func (f *filter) runs(number int32) bool {
	return f.version.of(number, func() bool { return f.index.versions.values[number].Equal(f.q.Version) })
}

func (f *filter) inGroups(number int32) bool {
	return f.groups.of(number, func() bool {
		return slices.ContainsFunc(f.index.sets[number], func(g fleet.GroupID) bool {
			return slices.Contains(f.q.Groups, g)
		})
	})
}

// inNone reports whether a set of groups has none that the actor sees.
func (f *filter) inNone(number int32) bool {
	return f.none.of(number, func() bool {
		return !slices.ContainsFunc(f.index.sets[number], func(g fleet.GroupID) bool {
			return !f.q.Actor.Role.Restricted() || slices.Contains(f.q.Actor.Groups, g)
		})
	})
}

// learned is what is known of the numbers of a pool. A number that is given back may mean
// something else later: it is for as long as the index's lock is held.
type learned []struct{ is, known bool }

func (k *learned) of(number int32, find func() bool) bool {
	if n := int(number) + 1; n > len(*k) {
		*k = append(*k, make(learned, n-len(*k))...)
	}
	l := &(*k)[number]
	if !l.known {
		l.is, l.known = find(), true
	}
	return l.is
}

// eye asks fleet.Sees about devices, once per set of groups and once per gateway.
type eye struct {
	index           *Index
	actor           fleet.Actor
	shelf           *shelf
	device, gateway fleet.Device
	own             learned // by set of groups: without a look at the gateway
	through         learned // by gateway: of its BLE devices that are not seen by their own groups
}

// sees judges a class.
func (e *eye) sees(d *fact) verdict {
	switch {
	case !e.actor.Role.Restricted(),
		e.own.of(d.groups, func() bool {
			e.look(&e.device, d)
			return fleet.Sees(e.actor, &e.device, nil)
		}):
		return yes
	case d.kind == fleet.BLE:
		return ask
	}
	return no
}

// seesThrough reports whether a BLE device of a class that is not seen by its own groups is
// seen by way of its gateway.
func (e *eye) seesThrough(d *fact, gateway int32) bool {
	return gateway != 0 && e.through.of(gateway, func() bool {
		at, ok := e.index.places[e.index.gateways.values[gateway]]
		if !ok || at.shelf != e.shelf {
			return false
		}
		e.look(&e.device, d)
		l := e.shelf.at(at.row)
		e.look(&e.gateway, l.fact)
		e.device.Gateway, e.gateway.ID = l.id, l.id
		return fleet.Sees(e.actor, &e.device, &e.gateway)
	})
}

func (e *eye) look(device *fleet.Device, d *fact) {
	*device = fleet.Device{Team: e.actor.Team, Kind: d.kind, Groups: e.index.sets[d.groups]}
}
