package store

import (
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// filter is a DeviceQuery prepared for many rows. What it learns of the numbers of pools
// it keeps while those stay.
type filter struct {
	q       fleet.DeviceQuery
	index   *Index
	nothing bool
	parts   []part
	must    flags // which flags count
	be      flags // and what they must be
	gateway int32
	eye     eye
	version learned
	groups  learned
	none    learned
}

// part is a text a row's name or id must contain.
type part struct {
	kind    int
	part    string
	atStart bool
}

func newFilter(x *Index, q fleet.DeviceQuery) *filter {
	f := &filter{q: q, index: x, eye: eye{index: x, actor: q.Actor}, must: rowUsed, be: rowUsed}
	for _, p := range []part{{idText, q.IDPart, false}, {nameText, q.NamePart, false}, {nameText, q.NamePrefix, true}} {
		if p.part != "" {
			p.part = strings.ToLower(p.part)
			f.nothing = f.nothing || strings.Contains(p.part, "\x00")
			f.parts = append(f.parts, p)
		}
	}
	f.wants(rowOnline, q.Online)
	f.wants(rowDevelopment, q.Development)
	if q.Groups != nil && q.Actor.Role.Restricted() { // a group the actor does not hold selects nothing
		f.q.Groups = slices.DeleteFunc(slices.Clone(q.Groups), func(g fleet.GroupID) bool {
			return !slices.Contains(q.Actor.Groups, g)
		})
		f.nothing = f.nothing || len(q.Groups) > 0 && len(f.q.Groups) == 0
	}
	return f
}

func (f *filter) wants(flag flags, be *bool) {
	if be == nil {
		return
	}
	f.must |= flag
	if *be {
		f.be |= flag
	}
}

// begin must be called each time the index's lock was taken, before selects.
func (f *filter) begin() {
	x := f.index
	f.eye.begin()
	f.version.begin(x.versions.freed)
	f.groups.begin(x.groups.freed)
	f.none.begin(x.groups.freed)
	if f.q.Gateway != "" {
		f.gateway = x.gateways.numbers[f.q.Gateway]
	}
}

// forget drops what was learned.
func (f *filter) forget() { f.eye.forget(); f.version.forget(); f.groups.forget(); f.none.forget() }

// selects must be called with the index's lock held, after begin.
func (f *filter) selects(d *fact) bool {
	q := &f.q
	return d.flags&f.must == f.be &&
		(q.Product == 0 || d.product == q.Product) &&
		(q.Locked == nil || *q.Locked == (d.lock != 0)) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, d.kind)) &&
		(q.Gateway == "" || d.gateway != 0 && d.gateway == f.gateway) &&
		(q.Version.IsZero() || f.runs(d.running)) &&
		(!q.NoVersion || d.running == 0) &&
		(len(q.Groups) == 0 || f.inGroups(d.groups)) &&
		(!q.NoGroup || f.inNone(d.groups)) &&
		f.eye.sees(d)
}

func (f *filter) runs(number int32) bool {
	is, known := f.version.of(number)
	if !known {
		is = f.version.learn(number, f.index.versions.values[number].Equal(f.q.Version))
	}
	return is
}

func (f *filter) inGroups(number int32) bool {
	is, known := f.groups.of(number)
	if !known {
		is = f.groups.learn(number, slices.ContainsFunc(f.index.sets[number], func(g fleet.GroupID) bool {
			return slices.Contains(f.q.Groups, g)
		}))
	}
	return is
}

// inNone reports whether a set of groups has none that the actor sees.
func (f *filter) inNone(number int32) bool {
	is, known := f.none.of(number)
	if !known {
		is = f.none.learn(number, !slices.ContainsFunc(f.index.sets[number], func(g fleet.GroupID) bool {
			return !f.q.Actor.Role.Restricted() || slices.Contains(f.q.Actor.Groups, g)
		}))
	}
	return is
}

// learned is what is known of the numbers of a pool, as long as none was given back.
type learned struct {
	freed    uint64
	verdicts []verdict
}

type verdict uint8

const (
	unknown verdict = iota
	no
	yes
)

// begin takes what the pool has given back so far.
func (k *learned) begin(freed uint64) {
	if freed != k.freed {
		k.freed = freed
		k.forget()
	}
}

func (k *learned) forget() { clear(k.verdicts) }

func (k *learned) of(number int32) (is, known bool) {
	if int(number) >= len(k.verdicts) {
		return false, false
	}
	v := k.verdicts[number]
	return v == yes, v != unknown
}

func (k *learned) learn(number int32, is bool) bool {
	if n := int(number) + 1; n > len(k.verdicts) {
		k.verdicts = append(k.verdicts, make([]verdict, n-len(k.verdicts))...)
	}
	k.verdicts[number] = no
	if is {
		k.verdicts[number] = yes
	}
	return is
}

// eye asks fleet.Sees about rows, once per set of groups and once per gateway.
type eye struct {
	index           *Index
	actor           fleet.Actor
	shelf           *shelf
	device, gateway fleet.Device
	own             learned // by set of groups: without a look at the gateway
	through         learned // by gateway: of its BLE devices that are not seen by their own groups
}

func (e *eye) begin() {
	e.shelf = e.index.shelves[e.actor.Team]
	e.own.begin(e.index.groups.freed)
	e.through.begin(e.index.gateways.freed)
}

func (e *eye) forget() { e.own.forget(); e.through.forget() }

// sees must be called with the index's lock held, after begin.
func (e *eye) sees(d *fact) bool {
	if !e.actor.Role.Restricted() {
		return true
	}
	sees, known := e.own.of(d.groups)
	if !known {
		e.look(&e.device, d)
		sees = e.own.learn(d.groups, fleet.Sees(e.actor, &e.device, nil))
	}
	if sees || d.gateway == 0 || d.kind != fleet.BLE {
		return sees
	}
	sees, known = e.through.of(d.gateway)
	if known {
		return sees
	}
	at, ok := e.index.places[e.index.gateways.values[d.gateway]]
	if !ok || at.shelf != e.shelf {
		return e.through.learn(d.gateway, false)
	}
	e.look(&e.device, d)
	l := e.shelf.at(at.row)
	e.look(&e.gateway, l.fact)
	e.gateway.ID = l.id
	return e.through.learn(d.gateway, fleet.Sees(e.actor, &e.device, &e.gateway))
}

func (e *eye) look(device *fleet.Device, d *fact) {
	device.Team, device.Kind = e.actor.Team, d.kind
	device.Groups, device.Gateway = e.index.sets[d.groups], e.index.gateways.values[d.gateway]
}
