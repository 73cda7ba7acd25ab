package ota

import (
	"container/list"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// slots limits how many updates transfer at the same time, in all and behind each gateway.
// A device that finds none free waits in a line, first come first served among those whose
// gateway has room. A freed slot goes to the first of them at once, so that no slot is free
// while a device waits that could have it.
type slots struct {
	max, maxBehind, maxWaiting int
	holders                    map[fleet.DeviceID]holder
	behind                     map[fleet.DeviceID]int // slots held behind each gateway
	line                       *list.List             // of waiter
	places                     map[fleet.DeviceID]*list.Element
}

// holder has a slot.
type holder struct {
	since   time.Time      // when the slot was given, or last used
	gateway fleet.DeviceID // "": a connection of its own
}

// waiter waits for one.
type waiter struct{ id, gateway fleet.DeviceID }

func newSlots(most, mostBehind, mostWaiting int) slots {
	return slots{
		max: most, maxBehind: mostBehind, maxWaiting: mostWaiting,
		holders: make(map[fleet.DeviceID]holder), behind: make(map[fleet.DeviceID]int),
		line: list.New(), places: make(map[fleet.DeviceID]*list.Element),
	}
}

func (s *slots) taken() int                   { return len(s.holders) }
func (s *slots) waiting() int                 { return s.line.Len() }
func (s *slots) has(id fleet.DeviceID) bool   { _, ok := s.holders[id]; return ok }
func (s *slots) waits(id fleet.DeviceID) bool { _, ok := s.places[id]; return ok }

// full reports that no device behind gateway, "" for one with its own connection, can have
// a slot now.
func (s *slots) full(gateway fleet.DeviceID) bool {
	return len(s.holders) >= s.max || gateway != "" && s.behind[gateway] >= s.maxBehind
}

// place is id's position in the line, from 1.
func (s *slots) place(id fleet.DeviceID) int {
	n := 1
	for e := s.line.Front(); e != nil && e.Value.(waiter).id != id; e = e.Next() {
		n++
	}
	return n
}

// enter gives id, behind gateway, a slot, or a place in the line where there is room.
func (s *slots) enter(id, gateway fleet.DeviceID, now time.Time) bool {
	if h, has := s.holders[id]; has { // one that moved keeps its slot
		s.release(h.gateway)
		s.hold(id, gateway, now)
		return true
	}
	if !s.full(gateway) {
		s.unqueue(id)
		s.hold(id, gateway, now)
		return true
	}
	if place, waits := s.places[id]; waits {
		place.Value = waiter{id, gateway}
	} else if s.line.Len() < s.maxWaiting {
		s.places[id] = s.line.PushBack(waiter{id, gateway})
	}
	return false
}

func (s *slots) hold(id, gateway fleet.DeviceID, now time.Time) {
	s.holders[id] = holder{now, gateway}
	if gateway != "" {
		s.behind[gateway]++
	}
}

// release takes one slot off gateway's count.
func (s *slots) release(gateway fleet.DeviceID) {
	if gateway == "" {
		return
	}
	if s.behind[gateway]--; s.behind[gateway] <= 0 {
		delete(s.behind, gateway)
	}
}

func (s *slots) unqueue(id fleet.DeviceID) {
	if place, ok := s.places[id]; ok {
		s.line.Remove(place)
		delete(s.places, id)
	}
}

// leave takes id out of its slot or the line, and returns the device that got its slot.
func (s *slots) leave(id fleet.DeviceID, now time.Time) (next fleet.DeviceID, ok bool) {
	s.unqueue(id)
	h, has := s.holders[id]
	if !has {
		return "", false
	}
	delete(s.holders, id)
	s.release(h.gateway)
	for e := s.line.Front(); e != nil; e = e.Next() {
		if w := e.Value.(waiter); !s.full(w.gateway) {
			s.unqueue(w.id)
			s.hold(w.id, w.gateway, now)
			return w.id, true
		}
	}
	return "", false
}

// enter gives id a slot or a place in the line.
func (s *Service) enter(d *fleet.Device) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots.enter(d.ID, d.Gateway, time.Now())
}

// crowded is what d waits for, in words.
func (s *Service) crowded(d *fleet.Device) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Gateway != "" && s.slots.behind[d.Gateway] >= s.slots.maxBehind {
		return "its gateway is busy with other devices"
	}
	return "server busy"
}

// leave frees id's slot.
func (s *Service) leave(id fleet.DeviceID) {
	s.mu.Lock()
	next, ready := s.vacate(id)
	s.mu.Unlock()
	if ready {
		s.cfg.Ready(next)
	}
}

// vacate frees id's slot and gives it to the next in line. If that device has a download
// already, it is sent the range it asked for last; otherwise it is ready, and the caller,
// who holds mu, calls Config.Ready once mu is free.
func (s *Service) vacate(id fleet.DeviceID) (next fleet.DeviceID, ready bool) {
	now := time.Now()
	next, ready = s.slots.leave(id, now)
	if dl := s.running[next]; ready && dl != nil && dl.count > 0 {
		dl.stalled, dl.asked, ready = false, now, false
		dl.link.SendChunks(dl.source, dl.first, dl.count)
	}
	return next, ready
}
