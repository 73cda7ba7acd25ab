package ota

import (
	"container/list"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// slots limits how many updates transfer at the same time, in all, behind each gateway and of
// each team. A device that finds none free waits in a line. A freed slot goes at once to the first
// of the team with the fewest slots whose gateway and team have room, so that no slot is free
// while a device waits that could have it, and no team keeps another below its share.
type slots struct {
	max, maxBehind, maxTeam, maxWaiting int

	shared *shared // what all servers that share the store have; nil: this one has all

	holders map[fleet.DeviceID]holder
	behind  map[fleet.DeviceID]int // slots held behind each gateway
	teams   map[fleet.TeamID]int   // slots held by each team
	queued  map[fleet.TeamID]int   // of the line, by team
	line    *list.List             // of waiter
	places  map[fleet.DeviceID]*list.Element
}

// who is a device that has a slot or waits for one.
type who struct {
	id      fleet.DeviceID
	gateway fleet.DeviceID // "": a connection of its own
	team    fleet.TeamID
}

// holder has a slot.
type holder struct {
	who
	since time.Time // when the slot was given, or last used
	turn  turn
}

func newSlots(c Config) slots {
	return slots{
		max: c.MaxUpdates, maxBehind: c.MaxBehind, maxTeam: c.MaxTeam, maxWaiting: c.MaxWaiting,
		holders: make(map[fleet.DeviceID]holder), behind: make(map[fleet.DeviceID]int),
		teams: make(map[fleet.TeamID]int), queued: make(map[fleet.TeamID]int),
		line: list.New(), places: make(map[fleet.DeviceID]*list.Element),
	}
}

func (s *slots) taken() int                   { return len(s.holders) }
func (s *slots) waiting() int                 { return s.line.Len() }
func (s *slots) has(id fleet.DeviceID) bool   { _, ok := s.holders[id]; return ok }
func (s *slots) waits(id fleet.DeviceID) bool { _, ok := s.places[id]; return ok }

// full reports that w can't have a slot now.
func (s *slots) full(w who) bool { return len(s.holders) >= s.max || s.bounded(w) }

// bounded reports that w can't have a slot even if one is free.
func (s *slots) bounded(w who) bool {
	return w.gateway != "" && s.behind[w.gateway] >= s.maxBehind || s.maxTeam > 0 && s.teams[w.team] >= s.mostOf(w.team)
}

// place is id's position in the line, from 1.
func (s *slots) place(id fleet.DeviceID) int {
	n := 1
	for e := s.line.Front(); e != nil && e.Value.(who).id != id; e = e.Next() {
		n++
	}
	return n
}

// enter gives w a slot, or a place in the line. Where that is full, the last one of the team with
// the most places loses its own if that team has more than w's.
func (s *slots) enter(w who, now time.Time) bool {
	if h, has := s.holders[w.id]; has { // one that moved keeps its slot
		s.release(h)
		s.hold(holder{who: w, since: now, turn: h.turn})
		return true
	}
	if !s.full(w) {
		s.unqueue(w.id)
		s.hold(holder{who: w, since: now})
		return true
	}
	s.unqueueFor(w)
	if place, waits := s.places[w.id]; waits {
		place.Value = w
	} else if s.line.Len() < s.maxWaiting {
		s.queue(w, s.line.PushBack)
	}
	return false
}

func (s *slots) queue(w who, push func(any) *list.Element) {
	s.places[w.id] = push(w)
	s.queued[w.team]++
	if s.shared != nil && s.queued[w.team] == 1 {
		s.shared.want()
	}
}

// unqueueFor makes room for w in a full line, if its team has fewer places than another.
func (s *slots) unqueueFor(w who) {
	if s.waits(w.id) || s.line.Len() < s.maxWaiting {
		return
	}
	most := w.team
	for team, n := range s.queued {
		if n > s.queued[most] {
			most = team
		}
	}
	if s.queued[most] <= s.queued[w.team]+1 {
		return
	}
	for e := s.line.Back(); e != nil; e = e.Prev() {
		if last := e.Value.(who); last.team == most {
			s.unqueue(last.id)
			return
		}
	}
}

func (s *slots) hold(h holder) {
	s.holders[h.id] = h
	s.teams[h.team]++
	if h.gateway != "" {
		s.behind[h.gateway]++
	}
}

// release takes h's slot off the counts.
func (s *slots) release(h holder) {
	uncount(s.teams, h.team)
	if h.gateway != "" {
		uncount(s.behind, h.gateway)
	}
}

func uncount[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

func (s *slots) unqueue(id fleet.DeviceID) {
	if place, ok := s.places[id]; ok {
		uncount(s.queued, place.Value.(who).team)
		s.line.Remove(place)
		delete(s.places, id)
	}
}

// leave takes id out of its slot or the line, and returns the devices that got one by that: two, if
// its gateway and its team have room again.
func (s *slots) leave(id fleet.DeviceID, now time.Time) (given []fleet.DeviceID) {
	s.unqueue(id)
	h, has := s.holders[id]
	if !has {
		return nil
	}
	delete(s.holders, id)
	s.release(h)
	return s.fill(now)
}

// fill gives what is free to the line.
func (s *slots) fill(now time.Time) (given []fleet.DeviceID) {
	for {
		w, ok := s.next()
		if !ok || s.full(w) {
			return given
		}
		s.unqueue(w.id)
		s.hold(holder{who: w, since: now})
		given = append(given, w.id)
	}
}

// next is who gets the next slot that is free.
func (s *slots) next() (next who, ok bool) {
	for e := s.line.Front(); e != nil; e = e.Next() {
		if w := e.Value.(who); !s.bounded(w) && (!ok || s.teams[w.team] < s.teams[next.team]) {
			next, ok = w, true
			if s.teams[next.team] == 0 {
				break // none has fewer
			}
		}
	}
	return next, ok
}

// enter gives id a slot or a place in the line.
func (s *Service) enter(d *fleet.Device) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots.enter(who{d.ID, d.Gateway, d.Team}, time.Now())
}

// crowded is what d waits for, in words.
func (s *Service) crowded(d *fleet.Device) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Gateway != "" && s.slots.behind[d.Gateway] >= s.slots.maxBehind {
		return "its gateway is busy with other devices"
	}
	if s.slots.maxTeam > 0 && s.slots.totalOf(d.Team) >= s.slots.maxTeam {
		return "its team has as many updates at a time as it may have"
	}
	return "server busy"
}

// leave frees id's slot.
func (s *Service) leave(id fleet.DeviceID) {
	s.mu.Lock()
	ready := s.vacate(id)
	s.mu.Unlock()
	s.announce(ready)
}

// announce calls Config.Ready. The caller must not hold mu.
func (s *Service) announce(ready []fleet.DeviceID) {
	for _, id := range ready {
		s.cfg.Ready(id)
	}
}

// vacate frees id's slot and gives it to the next in line. If that device has a download
// already, that continues after the last chunk that was sent; otherwise it is ready, and the caller,
// who holds mu, calls announce once mu is free.
func (s *Service) vacate(id fleet.DeviceID) (ready []fleet.DeviceID) {
	now := time.Now()
	return s.given(s.slots.leave(id, now), now)
}

func (s *Service) given(given []fleet.DeviceID, now time.Time) (ready []fleet.DeviceID) {
	for _, next := range given {
		dl := s.running[next]
		if dl == nil {
			ready = append(ready, next)
			continue
		}
		dl.stalled, dl.asked = false, now
		dl.resume()
	}
	return ready
}
