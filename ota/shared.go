package ota

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/grant"
)

// The limits of all servers that share a store. That of a team is called slotsOfTeam and its number.
const (
	allSlots    = "updates"
	allBytes    = "bytes" // per second
	slotsOfTeam = "updates:"
)

// shared is what a server has of the limits that hold for all that share the store.
type shared struct {
	want      func()               // has a grant asked for; it doesn't block
	all       int                  // slots of all servers
	bounds    map[fleet.TeamID]int // slots of each team here, where there is a quota
	elsewhere map[fleet.TeamID]int // slots that teams have at the others
	others    int                  // slots in use there
}

// share makes s one of several: it has no slots before Share.
func (s *slots) share(want func()) {
	s.shared = &shared{want: want, all: s.max, bounds: map[fleet.TeamID]int{}, elsewhere: map[fleet.TeamID]int{}}
	s.max = 0
}

// mostOf is how many slots a team may have here.
func (s *slots) mostOf(team fleet.TeamID) int {
	if s.shared == nil {
		return s.maxTeam
	}
	return s.shared.bounds[team]
}

// total is how many slots are in use at all servers, of all.
func (s *slots) total() (taken, most int) {
	if s.shared == nil {
		return len(s.holders), s.max
	}
	return len(s.holders) + s.shared.others, s.shared.all
}

// totalOf is how many slots a team has at all servers.
func (s *slots) totalOf(team fleet.TeamID) int {
	if s.shared == nil {
		return s.teams[team]
	}
	return s.teams[team] + s.shared.elsewhere[team]
}

// usedUp reports that w would have no slot at any server.
func (s *slots) usedUp(w who) bool {
	taken, most := s.total()
	return taken >= most || w.gateway != "" && s.behind[w.gateway] >= s.maxBehind || s.maxTeam > 0 && s.totalOf(w.team) >= s.maxTeam
}

// Shared makes the limits of updates those of all servers that share the store: there are no slots and no
// bytes before Share. want is called when a device waits; it must not block. Shared is called before
// anything else.
func (s *Service) Shared(want func()) {
	s.slots.share(want)
	s.chunker.Shared()
}

// Share implements grant.Limits.
func (s *Service) Share(shares map[string]grant.Allowance) map[string]grant.Need {
	if b, has := shares[allBytes]; has {
		s.chunker.SetRate(b.Bound)
	}
	now := time.Now()
	s.mu.Lock()
	for name, share := range shares {
		team, ofTeam := strings.CutPrefix(name, slotsOfTeam)
		switch {
		case name == allSlots:
			s.slots.max, s.slots.shared.others = int(share.Bound), int(share.Elsewhere)
			if share.Cut {
				s.cut(now)
			}
		case ofTeam:
			id, _ := strconv.ParseUint(team, 10, 32) // written by needs
			s.slots.shared.bounds[fleet.TeamID(id)], s.slots.shared.elsewhere[fleet.TeamID(id)] = int(share.Bound), int(share.Elsewhere)
		}
	}
	ready := s.given(s.slots.fill(now), now)
	needs := s.slots.needs()
	s.mu.Unlock()
	s.announce(ready)
	if most, wants := s.chunker.Rate(); most > 0 {
		needs[allBytes] = grant.Need{Most: most, Wants: wants}
	}
	return needs
}

// needs is what is in use, and what would be if all slots were free. Limits behind gateways hold.
func (s *slots) needs() map[string]grant.Need {
	type count struct{ held, wants int }
	teams, behind := map[fleet.TeamID]count{}, map[fleet.DeviceID]int{}
	for team, n := range s.teams {
		teams[team] = count{n, n}
	}
	all := count{len(s.holders), len(s.holders)}
	for e := s.line.Front(); e != nil; e = e.Next() {
		w := e.Value.(who)
		if w.gateway != "" {
			if s.behind[w.gateway]+behind[w.gateway] >= s.maxBehind {
				continue
			}
			behind[w.gateway]++
		}
		t := teams[w.team]
		if s.maxTeam == 0 || t.wants < s.mostOf(w.team) {
			all.wants++
		}
		t.wants++
		teams[w.team] = t
	}
	needs := map[string]grant.Need{allSlots: {Most: int64(s.shared.all), Held: int64(all.held), Wants: int64(all.wants)}}
	for team, n := range teams {
		needs[slotsOfTeam+team.String()] = grant.Need{Most: int64(s.maxTeam), Held: int64(n.held), Wants: int64(n.wants), Stays: true}
	}
	for team := range s.shared.bounds {
		if _, has := teams[team]; !has {
			delete(s.shared.bounds, team)
			delete(s.shared.elsewhere, team)
		}
	}
	return needs
}

// cut takes the slots that are above the bound, the newest first. Their devices are the first to get one
// again. The caller holds mu.
func (s *Service) cut(now time.Time) {
	over := len(s.slots.holders) - s.slots.max
	if over <= 0 {
		return
	}
	held := make([]holder, 0, len(s.slots.holders))
	for _, h := range s.slots.holders {
		held = append(held, h)
	}
	slices.SortFunc(held, func(a, b holder) int { return b.since.Compare(a.since) })
	for _, h := range held[:over] {
		if dl := s.running[h.id]; dl != nil {
			dl.stall()
		}
		delete(s.slots.holders, h.id)
		s.slots.release(h)
		s.slots.queue(h.who, s.slots.line.PushFront)
	}
}
