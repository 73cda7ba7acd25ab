package index

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// verdict is which devices of a class a query selects, apart from their texts.
type verdict uint8

const (
	selectNone verdict = iota
	selectAll
	selectByGateway // those whose gateway the actor sees
	selectByRow     // those that the query's own condition, which differs inside the class, holds for
)

// judge returns which devices of a class with these traits f selects.
func (f *filter) judge(t *traits) verdict {
	q := &f.q
	if t.flags&f.flagMask == f.flagValues &&
		(q.Product == 0 || t.product == q.Product) &&
		(q.Locked == nil || *q.Locked == (t.lock != 0)) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, t.kind)) &&
		(len(q.Updates) == 0 || slices.Contains(q.Updates, t.update)) &&
		(q.Version.IsZero() || f.runs(t.running)) &&
		(q.UpdateTo.IsZero() || f.index.versions.values[t.updateTo].Equal(q.UpdateTo) || f.index.versions.values[t.updateGoal].Equal(q.UpdateTo)) &&
		(!q.NoVersion || t.running == 0) &&
		(len(q.Groups) == 0 || f.inGroups(t.groups)) &&
		(!q.NoGroup || f.inNoGroup(t.groups)) {
		return f.where(t, f.visibility.ofClass(t))
	}
	return selectNone
}

// where narrows the verdict on a class by the query's own condition.
func (f *filter) where(t *traits, v verdict) verdict {
	if f.q.Where.Holds == nil || v == selectNone {
		return v
	}
	if through, byGateway := f.index.splitsThrough(f.q.Where.Splits, t); len(through) > 0 || byGateway {
		return selectByRow
	}
	if f.holds(t, &row{}) {
		return v
	}
	return selectNone
}

// holds asks the query's own condition about a device of a class; a zero row: any.
func (f *filter) holds(t *traits, r *row) bool {
	e := f.index.expand(t)
	e.ID, e.Gateway = r.id, f.index.gateways.values[r.gateway]
	return f.q.Where.Holds(&e)
}

// passes reports whether f selects a row of a class, apart from its texts.
func (f *filter) passes(n, row int32) bool {
	t, v := &f.shard.classes[n].traits, f.classes[n]
	if v == selectByRow {
		if !f.holds(t, f.shard.row(row)) {
			return false
		}
		v = f.visibility.ofClass(t)
	}
	return v == selectAll || v == selectByGateway && f.visibility.through(t, f.shard.row(row).gateway)
}

func (f *filter) runs(version int32) bool {
	return f.version.of(version, func() bool { return f.index.versions.values[version].Equal(f.q.Version) })
}

func (f *filter) inGroups(set int32) bool {
	return f.groups.of(set, func() bool {
		return slices.ContainsFunc(f.index.groups[set], func(g fleet.GroupID) bool {
			return slices.Contains(f.q.Groups, g)
		})
	})
}

// inNoGroup reports whether a set of groups has none that the actor sees.
func (f *filter) inNoGroup(set int32) bool {
	return f.noGroup.of(set, func() bool {
		return !slices.ContainsFunc(f.index.groups[set], func(g fleet.GroupID) bool {
			return !f.q.Actor.Role.Restricted() || slices.Contains(f.q.Actor.Groups, g)
		})
	})
}

// memo caches what is true of numbers of a pool. It is valid only while the index's lock is
// held: a number that is freed may mean something else later.
type memo []struct{ holds, known bool }

func (m *memo) of(number int32, find func() bool) bool {
	if n := int(number) + 1; n > len(*m) {
		*m = append(*m, make(memo, n-len(*m))...)
	}
	entry := &(*m)[number]
	if !entry.known {
		entry.holds, entry.known = find(), true
	}
	return entry.holds
}

// visibility asks fleet.Sees which devices the actor sees, once per set of groups and once per
// gateway.
type visibility struct {
	index           *Index
	actor           fleet.Actor
	shard           *shard
	device, gateway fleet.Device // arguments of fleet.Sees
	byGroups        memo         // by set of groups: seen whatever the gateway
	throughGateway  memo         // by gateway: its BLE devices are seen that are not seen by their groups
}

// ofClass returns which devices of a class the actor sees.
func (v *visibility) ofClass(t *traits) verdict {
	switch {
	case !v.actor.Role.Restricted(),
		v.byGroups.of(t.groups, func() bool {
			v.fill(&v.device, t)
			return fleet.Sees(v.actor, &v.device, nil)
		}):
		return selectAll
	case t.kind == fleet.BLE:
		return selectByGateway
	}
	return selectNone
}

// through reports whether the actor sees a BLE device because of its gateway, if not because of
// its own groups.
func (v *visibility) through(t *traits, gateway int32) bool {
	return gateway != 0 && v.throughGateway.of(gateway, func() bool {
		at, ok := v.index.locations[v.index.gateways.values[gateway]]
		if !ok || at.shard != v.shard {
			return false
		}
		v.fill(&v.device, t)
		v.fill(&v.gateway, v.shard.traits(at.row))
		id := v.shard.row(at.row).id
		v.device.Gateway, v.gateway.ID = id, id
		return fleet.Sees(v.actor, &v.device, &v.gateway)
	})
}

func (v *visibility) fill(device *fleet.Device, t *traits) {
	*device = fleet.Device{Team: v.actor.Team, Kind: t.kind, Groups: v.index.groups[t.groups]}
}
