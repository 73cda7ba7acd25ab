package store

import "github.com/muster-iot/muster/fleet"

// maxAlike bounds the kinds of devices that Count keeps before it tells of them.
const maxAlike = 8192

// Count calls visit for the devices of a product that the actor sees, many at a time:
// once for devices that don't differ in what decides their target and whether they can be
// updated, and how many those are. The entry tells no more than that: nothing of id, name,
// gateway, presence and past updates. Some that don't differ may come apart. Some ms per
// million devices. It returns fleet.Unavailable before the index is ready.
func (x *Index) Count(actor fleet.Actor, product fleet.ProductID, visit func(e *fleet.IndexEntry, devices int)) error {
	if err := x.ready(); err != nil {
		return err
	}
	if actor.Role == fleet.NoRole {
		return nil
	}
	f := newFilter(x, fleet.DeviceQuery{Actor: actor, Product: product})
	c := &census{index: x, groups: x.groups.freed, versions: x.versions.freed}
	c.reset()
	tell := func() {
		for _, a := range c.all {
			visit(&a.entry, a.devices)
		}
		c.all = c.all[:0]
		c.reset()
	}
	x.pages(actor.Team, func(p *page, used int) bool {
		f.begin()
		c.begin()
		for i := range p.facts[:used] {
			if d := &p.facts[i]; f.selects(d) {
				c.count(d)
			}
		}
		return true
	}, func() bool {
		if len(c.all) >= maxAlike {
			tell()
		}
		return true
	})
	tell()
	return nil
}

// census counts facts that are alike.
type census struct {
	index            *Index
	groups, versions uint64 // given back when known was begun
	all              []*alike
	known            map[fact]*alike
	recent           [256]seen // what the map would say, found faster
}

type alike struct {
	entry   fleet.IndexEntry
	devices int
}

type seen struct {
	fact  fact
	alike *alike
}

// begin must be called each time the index's lock was taken: a number that was given back
// may mean something else by now.
func (c *census) begin() {
	if x := c.index; c.groups != x.groups.freed || c.versions != x.versions.freed {
		c.groups, c.versions = x.groups.freed, x.versions.freed
		c.reset()
	}
}

func (c *census) reset() { c.known, c.recent = map[fact]*alike{}, [256]seen{} }

func (c *census) count(d *fact) {
	key := *d
	key.gateway, key.kind = 0, 0
	key.flags &^= rowOnline
	s := &c.recent[uint32(key.groups*31+key.running*7+key.lock*3+key.attemptsFor*5+int32(key.flags))%256]
	if s.alike == nil || s.fact != key {
		a := c.known[key]
		if a == nil {
			a = &alike{}
			c.index.expandFact(&key, &a.entry)
			c.known[key] = a
			c.all = append(c.all, a)
		}
		*s = seen{key, a}
	}
	s.alike.devices++
}
