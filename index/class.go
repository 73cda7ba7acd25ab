package index

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// class is the devices of a shelf that don't differ in what filters, counts and impact
// look at. A fleet has few classes beside its devices: what is asked of all devices is
// asked of each class once. A class owns one use of each number in its fact, and is
// forgotten with its last device.
type class struct {
	fact fact
	rows []int32 // in no order
}

// fact is what the devices of a class have in common. Numbers of versions and group sets
// point into the pools.
type fact struct {
	product     fleet.ProductID
	groups      int32
	running     int32
	lock        int32
	attemptsFor int32
	updateTo    int32
	spent       int16
	reason      fleet.ReasonCode
	kind        fleet.DeviceKind
	update      fleet.UpdateState
	flags       flags
}

type flags uint8

const (
	rowDevelopment flags = 1 << iota
	rowUpdatesOn
	rowForce
	rowDisabled
	rowOnline
	rowHeld
)

// link is where a device is among the classes; class 0 has none: the row is unused.
type link struct {
	class int32
	at    int32 // in the rows of its class
}

// versions are the numbers of f that point into the pool of versions.
func (f *fact) versions() [4]int32 {
	return [4]int32{f.running, f.lock, f.attemptsFor, f.updateTo}
}

// fact takes the numbers of what is known of d.
func (x *Index) fact(d *fleet.Device) fact {
	f := fact{
		product: d.Product, kind: d.Kind, groups: x.takeSet(d.Groups),
		running: x.versions.take(d.Running), lock: x.versions.take(d.Lock), attemptsFor: x.versions.take(d.Attempts.Target),
		spent: int16(min(d.Attempts.Spent, math.MaxInt16)), updateTo: x.versions.take(d.Update.To), reason: d.Update.Reason, update: d.Update.State,
	}
	for _, claim := range []struct {
		holds bool
		flag  flags
	}{
		{d.Development, rowDevelopment}, {d.UpdatesOn, rowUpdatesOn}, {d.Force, rowForce},
		{d.Disabled, rowDisabled}, {d.Attempts.Held, rowHeld},
	} {
		if claim.holds {
			f.flags |= claim.flag
		}
	}
	return f
}

func (x *Index) takeSet(ids []fleet.GroupID) int32 {
	n := x.groups.take(groupsKey(ids))
	if int(n) == len(x.sets) {
		x.sets = append(x.sets, nil)
	}
	if len(ids) > 0 && x.groups.uses[n] == 1 {
		x.sets[n] = slices.Clone(ids)
	}
	return n
}

// groupsKey is a text that only sets of the same ids in the same order share, "" for none.
func groupsKey(ids []fleet.GroupID) string {
	if len(ids) == 0 {
		return ""
	}
	key := make([]byte, 0, 8*len(ids))
	for _, id := range ids {
		key = binary.AppendUvarint(key, uint64(id))
	}
	return string(key)
}

// keep and release count one more and one less user of what f points at.
func (x *Index) keep(f *fact) {
	x.groups.uses[f.groups]++
	for _, v := range f.versions() {
		x.versions.uses[v]++
	}
}

func (x *Index) release(f *fact) {
	x.groups.release(f.groups)
	for _, v := range f.versions() {
		x.versions.release(v)
	}
}

// join makes row one of the class with fact f, which keeps what f points at.
func (x *Index) join(s *shelf, row int32, f fact) {
	n, known := s.numbers[f]
	if !known {
		if n = int32(len(s.classes)); len(s.spare) > 0 {
			n = s.spare[len(s.spare)-1]
			s.spare = s.spare[:len(s.spare)-1]
		} else {
			s.classes = append(s.classes, class{})
		}
		s.numbers[f] = n
		s.classes[n].fact = f
		x.keep(&f)
	}
	c := &s.classes[n]
	*s.link(row) = link{n, int32(len(c.rows))}
	c.rows = append(c.rows, row)
}

// leave takes row out of its class.
func (x *Index) leave(s *shelf, row int32) {
	l := s.link(row)
	c := &s.classes[l.class]
	end := len(c.rows) - 1
	moved := c.rows[end]
	c.rows[l.at] = moved
	s.link(moved).at = l.at
	c.rows = c.rows[:end]
	if end == 0 {
		x.release(&c.fact)
		delete(s.numbers, c.fact)
		*c = class{}
		s.spare = append(s.spare, l.class)
	}
	*l = link{}
}
