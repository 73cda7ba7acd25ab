//nolint:forbidigo // all sleeps are in synctest bubbles
package ota

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/grant"
)

// sharing returns slots of a server that shares most of them, and may use bound.
func sharing(c Config, bound int) (s slots, wanted *int) {
	s = newSlots(c)
	wanted = new(int)
	s.share(func() { *wanted++ })
	s.max = bound
	return s, wanted
}

func TestAServerUsesNoMoreSlotsThanItsGrant(t *testing.T) {
	now := time.Now()
	s, wanted := sharing(Config{MaxUpdates: 10, MaxWaiting: 100}, 3)
	if got := claim(&s, 1, 8, now); got != 3 || *wanted != 1 {
		t.Errorf("%d got a slot, want 3; %d times more were asked for, want once", got, *wanted)
	}
	if need := s.needs()[allSlots]; need != (grant.Need{Most: 10, Held: 3, Wants: 8}) {
		t.Errorf("it needs %+v", need)
	}
	s.max = 5
	if given := s.fill(now); len(given) != 2 {
		t.Errorf("with 5 slots, %v got one", given)
	}
	s.max = 1 // others want them
	if given := s.leave("1-0", now); len(given) != 0 || len(s.holders) != 4 {
		t.Errorf("%v got a slot that others wait for; %d are in use", given, len(s.holders))
	}
}

func TestAServerWantsNoSlotsThatItCanNotUse(t *testing.T) {
	s, _ := sharing(Config{MaxUpdates: 10, MaxBehind: 2, MaxTeam: 3, MaxWaiting: 100}, 0)
	s.shared.bounds[1] = 3
	now := time.Now()
	claim(&s, 1, 5, now)
	for i := range 4 {
		s.enter(who{fleet.DeviceID(fmt.Sprint("ble-", i)), "gateway", 2}, now)
	}
	needs := s.needs()
	for name, want := range map[string]grant.Need{
		allSlots:          {Most: 10, Wants: 3}, // of team 2 when it has a grant
		slotsOfTeam + "1": {Most: 3, Wants: 5, Stays: true},
		slotsOfTeam + "2": {Most: 3, Wants: 2, Stays: true},
	} {
		if needs[name] != want {
			t.Errorf("%s: got %+v, want %+v", name, needs[name], want)
		}
	}
}

func TestASlowDownloadGivesWayToDevicesOfOtherServers(t *testing.T) {
	now := time.Now()
	s, _ := sharing(Config{MaxUpdates: 2, MaxWaiting: 100}, 2)
	claim(&s, 1, 2, now)
	slow := func(fleet.DeviceID) (int64, bool) { return 0, true }
	s.overdue(now, slow)
	now = now.Add(2 * turnLength)
	if ids := s.overdue(now, slow); len(ids) != 0 {
		t.Errorf("%v give way to nobody", ids)
	}
	s.max = 1
	now = now.Add(2 * turnLength)
	if ids := s.overdue(now, slow); len(ids) != 1 {
		t.Errorf("%v give way, want one: another server waits for a slot", ids)
	}
}

// TestWhatOthersMayHaveTakenIsGivenUpAtOnce: a download whose slot is gone is sent nothing, and continues behind
// the last chunk that was sent.
func TestWhatOthersMayHaveTakenIsGivenUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := oneInBubble(t, Config{MaxUpdates: 10})
		w.Shared(func() {})
		give := func(n int64, cut bool) {
			w.Share(map[string]grant.Allowance{allSlots: {Bound: n, Elsewhere: 4, Cut: cut}})
		}
		give(1, false)
		a, plan := w.connect("a", "1")
		if plan.Offer == nil {
			t.Fatalf("got %+v", plan)
		}
		a.want(0, 8)
		if a.count != 8 {
			t.Fatalf("%d chunks are queued", a.count)
		}
		a.take(3)
		if c := w.Capacity("1/a", "", team); c.Running != 5 || c.Max != 10 || !c.HasSlot || c.Full {
			t.Errorf("got %+v, want 5 slots of 10 in use at all servers", c)
		}
		give(0, true)
		if s := w.Stats(); a.count != 0 || s.Running != 0 || s.Waiting != 1 {
			t.Errorf("%d chunks are queued without a slot; %+v", a.count, s)
		}
		if a.again(AtChange); len(a.offers) != 1 || a.count != 0 {
			t.Errorf("re-evaluated: %d offers, %d chunks are queued", len(a.offers), a.count)
		}
		give(1, false)
		if a.first != 3 || a.count != 5 {
			t.Errorf("then it is sent %d chunks from %d, want those that were not sent", a.count, a.first)
		}
		a.take(1)
		give(0, true)
		if a.want(8, 4); a.count != 0 {
			t.Error("it is sent what it asks for without a slot")
		}
		give(1, false)
		if a.first != 4 || a.count != 8 {
			t.Errorf("then it is sent %d chunks from %d, want those that were not sent, and what it asked for meanwhile", a.count, a.first)
		}
		give(0, true)
		a.want(6, 8) // it misses chunks
		give(1, false)
		if a.first != 6 || a.count != 8 {
			t.Errorf("then it is sent %d chunks from %d, want what it asked for meanwhile", a.count, a.first)
		}
	})
}

// TestAFirstWindowIsSentOnAfterACut: a device that has not asked for anything yet gets the rest of what goes
// with the Offer, and no other Offer.
func TestAFirstWindowIsSentOnAfterACut(t *testing.T) {
	t.Parallel()
	w := one(t, Config{MaxUpdates: 10})
	w.Shared(func() {})
	give := func(n int64) { w.Share(map[string]grant.Allowance{allSlots: {Bound: n, Cut: true}}) }
	give(1)
	a, _ := w.connect("a", "1")
	a.take(5)
	give(0)
	if a.count != 0 {
		t.Errorf("%d chunks are queued without a slot", a.count)
	}
	give(1)
	if a.first != 5 || a.count != 3 || len(a.offers) != 1 || len(w.ready()) != 0 {
		t.Errorf("then it is sent %d chunks from %d, %d offers; to be re-evaluated: %v", a.count, a.first, len(a.offers), w.ready())
	}
}
