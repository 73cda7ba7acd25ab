package ota

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

func TestNoSlotIsFreeWhileSomeoneWaitsWhoCouldHaveIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSlots(Config{
			MaxUpdates: rapid.IntRange(1, 5).Draw(rt, "most"), MaxBehind: rapid.IntRange(1, 3).Draw(rt, "behind"),
			MaxTeam: rapid.IntRange(0, 3).Draw(rt, "team"), MaxWaiting: rapid.IntRange(0, 6).Draw(rt, "line"),
		})
		if rapid.Bool().Draw(rt, "shared") {
			s.share(func() {})
			s.max = 1
			for team := range fleet.TeamID(3) {
				s.shared.bounds[team] = 1
			}
		}
		home := map[fleet.DeviceID]fleet.DeviceID{}
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			n := rapid.IntRange(0, 9).Draw(rt, "device")
			id := fleet.DeviceID(fmt.Sprint("d", n))
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0, 1:
				if _, known := home[id]; !known { // who moves leaves first
					home[id] = rapid.SampledFrom([]fleet.DeviceID{"", "g1", "g2"}).Draw(rt, "gateway")
				}
				s.enter(who{id, home[id], fleet.TeamID(n % 3)}, time.Time{})
			case 2, 3:
				s.leave(id, time.Time{})
				if !s.has(id) && !s.waits(id) {
					delete(home, id)
				}
			default:
				if s.shared == nil {
					continue
				}
				s.max, s.shared.bounds[fleet.TeamID(n%3)] = rapid.IntRange(min(len(s.holders), 5), 5).Draw(rt, "bound"), rapid.IntRange(0, 3).Draw(rt, "team's bound")
				s.fill(time.Time{})
			}
			check(rt, &s, home)
		}
	})
}

func check(rt *rapid.T, s *slots, home map[fleet.DeviceID]fleet.DeviceID) {
	behind := map[fleet.DeviceID]int{}
	for id, h := range s.holders {
		if h.gateway != home[id] {
			rt.Fatalf("%s holds a slot behind %q, it is behind %q", id, h.gateway, home[id])
		}
		if h.gateway != "" {
			behind[h.gateway]++
		}
		if s.waits(id) {
			rt.Fatalf("%s waits and holds", id)
		}
	}
	if len(s.holders) > s.max || s.line.Len() > s.maxWaiting || fmt.Sprint(behind) != fmt.Sprint(s.behind) {
		rt.Fatalf("%d of %d held, %d of %d wait, %v behind gateways, counted %v", len(s.holders), s.max, s.line.Len(), s.maxWaiting, behind, s.behind)
	}
	for gateway, n := range behind {
		if n > s.maxBehind {
			rt.Fatalf("%d behind %s, %d are allowed", n, gateway, s.maxBehind)
		}
	}
	for e := s.line.Front(); e != nil; e = e.Next() {
		if w := e.Value.(who); !s.full(w) {
			rt.Fatalf("%s waits while a slot is free for it", w.id)
		}
	}
}
