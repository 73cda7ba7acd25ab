//nolint:forbidigo // all sleeps are in synctest bubbles
package ota

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// claim has n devices of a team ask for slots, and returns how many got one.
func claim(s *slots, team fleet.TeamID, n int, now time.Time) (got int) {
	for i := range n {
		if s.enter(who{id: fleet.DeviceID(fmt.Sprintf("%d-%d", team, i)), team: team}, now) {
			got++
		}
	}
	return got
}

// fast is a download that moves enough.
func fast(began time.Time, now *time.Time) func(fleet.DeviceID) (int64, bool) {
	return func(fleet.DeviceID) (int64, bool) { return int64(now.Sub(began).Seconds()) * 10 * minRate, true }
}

func TestNoTeamKeepsAnotherBelowItsShareOfSlots(t *testing.T) {
	s := newSlots(Config{MaxUpdates: 10, MaxWaiting: 100})
	now := time.Now()
	sent := fast(now, &now)
	if got := claim(&s, 1, 50, now); got != 10 {
		t.Fatalf("the greedy team has %d slots, want all 10", got)
	}
	claim(&s, 2, 3, now)
	claim(&s, 3, 50, now)
	for range 1000 {
		for _, id := range s.overdue(now, sent) {
			h := s.holders[id]
			s.leave(id, now)
			s.enter(h.who, now)
		}
		now = now.Add(time.Second)
	}
	// 10 slots for three teams: 3 each, and one more for either of the two that want it.
	if s.teams[1] < 3 || s.teams[2] != 3 || s.teams[3] < 3 {
		t.Errorf("teams have %v slots, want at least 3 each", s.teams)
	}
	before := fmt.Sprint(s.teams)
	now = now.Add(time.Hour)
	for range 10 {
		if ids := s.overdue(now, sent); len(ids) > 0 {
			t.Errorf("%v have to give way although everybody has their share", ids)
		}
		now = now.Add(time.Minute)
	}
	if got := fmt.Sprint(s.teams); got != before {
		t.Errorf("then %s", got)
	}
}

func TestAFreedSlotGoesToTheTeamWithTheFewest(t *testing.T) {
	s := newSlots(Config{MaxUpdates: 3, MaxWaiting: 100})
	now := time.Now()
	claim(&s, 1, 10, now)
	claim(&s, 2, 1, now)
	if next := s.leave("1-0", now); len(next) != 1 || next[0] != "2-0" {
		t.Errorf("got %s, want the only device of team 2", next)
	}
}

func TestATeamHasNoMoreSlotsThanItsQuota(t *testing.T) {
	s := newSlots(Config{MaxUpdates: 10, MaxTeam: 4, MaxWaiting: 100})
	now := time.Now()
	if got := claim(&s, 1, 10, now); got != 4 {
		t.Errorf("team 1 has %d slots, want 4", got)
	}
	if got := claim(&s, 2, 2, now); got != 2 {
		t.Errorf("team 2 has %d slots, want 2", got)
	}
}

func TestNoTeamFillsTheLine(t *testing.T) {
	s := newSlots(Config{MaxUpdates: 1, MaxWaiting: 10})
	now := time.Now()
	claim(&s, 1, 50, now)
	claim(&s, 2, 50, now)
	if s.queued[1] != 5 || s.queued[2] != 5 || s.line.Len() != 10 {
		t.Errorf("%v wait, %d in all; want five of each", s.queued, s.line.Len())
	}
}

func TestADownloadThatHardlyMovesGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := oneInBubble(t, Config{MaxUpdates: 1})
		w.sweeping(t)
		w.Device("b", "1")
		a, _ := w.connect("a", "1")
		take := func(turns int) {
			for range turns {
				time.Sleep(50 * time.Second)
				a.take(1)
				if a.count == 0 {
					a.want(0, 8)
				}
			}
			synctest.Wait()
		}
		take(10)
		if s := w.Stats(); s.Running != 1 || s.Stalled != 0 {
			t.Fatalf("alone: got %+v, want it to keep its slot", s)
		}
		w.connect("b", "1")
		for range 15 {
			time.Sleep(10 * time.Second)
			if synctest.Wait(); len(w.ready()) > 0 {
				break
			}
		}
		if len(w.ready()) != 1 || w.ready()[0] != "1/b" || w.Stats().Stalled != 1 {
			t.Fatalf("ready %v, %+v; want the slot to be b's", w.ready(), w.Stats())
		}
		a.want(8, 8)
		if a.count != 0 {
			t.Error("it is sent chunks without a slot")
		}
		w.Gone("1/b", nil)
		if a.first != 2 || a.count != 6+8 || w.Stats().Stalled != 0 {
			t.Errorf("got %d queued from %d, want what was not sent and what it asked for meanwhile", a.count, a.first)
		}
		if u := w.Record("a").Update; !u.State.Running() || w.Record("a").Attempts.Spent != 0 {
			t.Errorf("its update is %s, %d attempts are spent; want it to continue at no cost", u.State, w.Record("a").Attempts.Spent)
		}
	})
}
