package index

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// class is the devices of a shard with the same traits. A fleet has few classes compared with
// its devices, so a question about all devices is asked once per class. A class counts as one
// user of each number in its traits, and is freed with its last device.
type class struct {
	traits traits
	rows   []int32  // in no order
	hashes []uint32 // of the rows' devices, in the order of rows
}

// traits are what filters, counts and impact look at of a device. Numbers of versions, of
// group sets, of hardware and of zones point into the pools.
type traits struct {
	product     fleet.ProductID
	groups      int32
	running     int32
	lock        int32
	attemptsFor int32
	updateTo    int32
	updateGoal  int32  // 0: updateTo
	since       uint64 // of the attempts, where there are any
	hardware    int32
	zone        int32
	maxImage    uint64
	spent       int16
	reason      fleet.ReasonCode
	kind        fleet.DeviceKind
	update      fleet.UpdateState
	flags       flags
	release     fleet.ReleaseID // of the last update
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

// slot is where a row is among the classes. Class 0 has no rows: it means that the row is unused.
type slot struct {
	class int32
	at    int32 // in the rows of the class
}

// versions returns the numbers that point into the pool of versions.
func (t *traits) versions() [5]int32 {
	return [5]int32{t.running, t.lock, t.attemptsFor, t.updateTo, t.updateGoal}
}

// newTraits returns the traits of d, whose numbers the caller must release.
func (x *Index) newTraits(d *fleet.Device) traits {
	t := traits{
		product: d.Product, kind: d.Kind, groups: x.takeGroups(d.Groups),
		running: x.versions.take(d.Running), lock: x.versions.take(d.Lock), attemptsFor: x.versions.take(d.Attempts.Target),
		spent: int16(min(d.Attempts.Spent, math.MaxInt16)), updateTo: x.versions.take(d.Update.To), updateGoal: x.versions.take(d.Update.Goal), reason: d.Update.Reason, update: d.Update.State,
		hardware: x.hardware.take(d.Hardware), zone: x.zones.take(d.Zone), maxImage: d.MaxImage,
		release: d.Update.Release,
	}
	if d.Attempts.Spent > 0 || d.Attempts.Held {
		t.since = d.Attempts.Since
	}
	for _, claim := range []struct {
		holds bool
		flag  flags
	}{
		{d.Development, rowDevelopment}, {d.UpdatesOn, rowUpdatesOn}, {d.Force, rowForce},
		{d.Disabled, rowDisabled}, {d.Attempts.Held, rowHeld},
	} {
		if claim.holds {
			t.flags |= claim.flag
		}
	}
	return t
}

func (x *Index) takeGroups(ids []fleet.GroupID) int32 {
	n := x.groupSets.take(groupsKey(ids))
	if int(n) == len(x.groups) {
		x.groups = append(x.groups, nil)
	}
	if len(ids) > 0 && x.groupSets.uses[n] == 1 {
		x.groups[n] = slices.Clone(ids)
	}
	return n
}

// groupsKey returns a text that is the same only for the same ids in the same order, "" for none.
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

// retain counts one more user of each number of t.
func (x *Index) retain(t *traits) {
	x.groupSets.uses[t.groups]++
	x.hardware.uses[t.hardware]++
	x.zones.uses[t.zone]++
	for _, v := range t.versions() {
		x.versions.uses[v]++
	}
}

// release counts one user less.
func (x *Index) release(t *traits) {
	x.groupSets.release(t.groups)
	x.hardware.release(t.hardware)
	x.zones.release(t.zone)
	for _, v := range t.versions() {
		x.versions.release(v)
	}
}

// join adds a row, of the device with this hash, to the class with these traits. A new class
// retains their numbers.
func (x *Index) join(s *shard, row int32, hash uint32, t traits) {
	n, known := s.numbers[t]
	if !known {
		if n = int32(len(s.classes)); len(s.freeClasses) > 0 {
			n = s.freeClasses[len(s.freeClasses)-1]
			s.freeClasses = s.freeClasses[:len(s.freeClasses)-1]
		} else {
			s.classes = append(s.classes, class{})
		}
		s.numbers[t] = n
		s.classes[n].traits = t
		x.retain(&t)
	}
	c := &s.classes[n]
	*s.slot(row) = slot{n, int32(len(c.rows))}
	c.rows, c.hashes = append(c.rows, row), append(c.hashes, hash)
}

// leave removes a row from its class and returns the hash of its device.
func (x *Index) leave(s *shard, row int32) (hash uint32) {
	l := s.slot(row)
	c := &s.classes[l.class]
	end := len(c.rows) - 1
	moved := c.rows[end]
	hash = c.hashes[l.at]
	c.rows[l.at], c.hashes[l.at] = moved, c.hashes[end]
	s.slot(moved).at = l.at
	c.rows, c.hashes = c.rows[:end], c.hashes[:end]
	if end == 0 {
		x.release(&c.traits)
		delete(s.numbers, c.traits)
		*c = class{}
		s.freeClasses = append(s.freeClasses, l.class)
	}
	*l = slot{}
	return hash
}
