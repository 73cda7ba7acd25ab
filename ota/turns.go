package ota

import (
	"maps"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// A device keeps its slot for as long as it likes, unless another waits for it. Then it has to
// move at least minRate over each turnLength, and to give way to a team that is below its share.
const (
	turnLength = time.Minute
	minRate    = 128 // bytes per second
)

// turn is what a holder has done since a moment.
type turn struct {
	began time.Time
	sent  int64 // of its download when it began
}

// overdue returns the holders that have to give way, at most one for each that waits. sent is how
// much of the image has gone out to a device; ok is false for one that downloads nothing.
func (s *slots) overdue(now time.Time, sent func(fleet.DeviceID) (bytes int64, ok bool)) (ids []fleet.DeviceID) {
	next, waits := s.next()
	elsewhere := max(len(s.holders)-s.max, 0) // devices of other servers that wait for slots
	waits = waits || elsewhere > 0
	share := s.fairShare()
	deficit := min(share-s.teams[next.team], s.queued[next.team]) // slots that its team is below its share
	left := maps.Clone(s.teams)
	for id, h := range s.holders {
		bytes, ok := sent(id)
		if !ok {
			continue
		}
		if h.turn.began.IsZero() {
			h.turn = turn{now, bytes}
			s.holders[id] = h
			continue
		}
		elapsed := now.Sub(h.turn.began)
		if elapsed < turnLength {
			continue
		}
		tooSlow := float64(bytes-h.turn.sent) < minRate*elapsed.Seconds()
		greedy := left[h.team] > share && deficit > 0
		if waits && len(ids) < s.line.Len()+elsewhere && (tooSlow || greedy) {
			ids = append(ids, id)
			left[h.team]--
			deficit--
			continue
		}
		h.turn = turn{now, bytes}
		s.holders[id] = h
	}
	return ids
}

// fairShare is how many slots each team has that has or waits for some, if all want that many.
func (s *slots) fairShare() int {
	teams := len(s.teams)
	for team := range s.queued {
		if s.teams[team] == 0 {
			teams++
		}
	}
	return s.max / max(1, teams)
}

// giveWay takes a holder's slot and queues it for another.
func (s *Service) giveWay(id fleet.DeviceID) {
	s.mu.Lock()
	h, dl := s.slots.holders[id], s.running[id]
	if h.id == "" || dl == nil || dl.stalled {
		s.mu.Unlock()
		return
	}
	dl.stall()
	ready := s.vacate(id)
	if s.slots.enter(h.who, time.Now()) { // nobody waits any more
		dl.stalled = false
		dl.resume()
	}
	s.mu.Unlock()
	s.announce(ready)
}

// Slots returns how many updates of a team transfer now, at all servers that share the store.
func (s *Service) Slots(team fleet.TeamID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots.totalOf(team)
}
