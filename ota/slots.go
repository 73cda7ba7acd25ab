package ota

import (
	"container/list"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// slots limits how many updates transfer at the same time. Who finds none free waits in a
// line, first come first served; a slot that is freed belongs to the first of the line at
// once, so that there is never a free slot while someone waits.
type slots struct {
	max, maxWaiting int
	holders         map[fleet.DeviceID]time.Time // when the slot was given, or last used
	line            *list.List                   // of fleet.DeviceID
	places          map[fleet.DeviceID]*list.Element
}

func newSlots(most, mostWaiting int) slots {
	return slots{
		max: most, maxWaiting: mostWaiting,
		holders: make(map[fleet.DeviceID]time.Time), line: list.New(), places: make(map[fleet.DeviceID]*list.Element),
	}
}

func (s *slots) taken() int                   { return len(s.holders) }
func (s *slots) waiting() int                 { return s.line.Len() }
func (s *slots) has(id fleet.DeviceID) bool   { _, ok := s.holders[id]; return ok }
func (s *slots) waits(id fleet.DeviceID) bool { _, ok := s.places[id]; return ok }

// place is id's number in the line, from 1.
func (s *slots) place(id fleet.DeviceID) int {
	n := 1
	for e := s.line.Front(); e != nil && e.Value != id; e = e.Next() {
		n++
	}
	return n
}

// enter gives id a slot, or a place in the line if there is room in it.
func (s *slots) enter(id fleet.DeviceID, now time.Time) bool {
	if s.has(id) || len(s.holders) < s.max {
		s.holders[id] = now
		return true
	}
	if !s.waits(id) && s.line.Len() < s.maxWaiting {
		s.places[id] = s.line.PushBack(id)
	}
	return false
}

// leave takes id out of slot and line, and returns who got its slot.
func (s *slots) leave(id fleet.DeviceID, now time.Time) (next fleet.DeviceID, ok bool) {
	if place, ok := s.places[id]; ok {
		s.line.Remove(place)
		delete(s.places, id)
	}
	if !s.has(id) {
		return "", false
	}
	delete(s.holders, id)
	first := s.line.Front()
	if first == nil {
		return "", false
	}
	next = s.line.Remove(first).(fleet.DeviceID)
	delete(s.places, next)
	s.holders[next] = now
	return next, true
}

// enter gives id a slot or a place in the line.
func (s *Service) enter(id fleet.DeviceID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots.enter(id, time.Now())
}

// leave frees id's slot. The next in line that runs a download already goes on with what
// it asked for last; any other is decided anew.
func (s *Service) leave(id fleet.DeviceID) {
	s.mu.Lock()
	now := time.Now()
	next, ok := s.slots.leave(id, now)
	if dl := s.running[next]; ok && dl != nil && dl.count > 0 {
		dl.stalled, dl.asked, ok = false, now, false
		dl.link.Owe(dl.source, dl.first, dl.count)
	}
	s.mu.Unlock()
	if ok {
		s.cfg.Ready(next)
	}
}
