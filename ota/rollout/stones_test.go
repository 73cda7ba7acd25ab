package rollout

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/wire"
)

// TestASteppingStoneIsNeitherSuccessNorFailure follows a device of a release that goes from 1 by way
// of 2 to 3.
func TestASteppingStoneIsNeitherSuccessNorFailure(t *testing.T) {
	t.Parallel()
	one, two, three := fleet.WholeVersion(1), fleet.WholeVersion(2), fleet.WholeVersion(3)
	spent := fleet.Attempts{Target: three, Spent: 1}
	hop := func(state fleet.UpdateState) fleet.Update {
		return fleet.Update{From: one, To: two, Goal: three, State: state, Release: 7}
	}
	last := func(state fleet.UpdateState) fleet.Update {
		return fleet.Update{From: two, To: three, State: state, Release: 7}
	}
	failed := func(u fleet.Update) fleet.Update { u.Reason = wire.ReasonRolledBack; return u }
	for _, row := range []struct {
		name     string
		runs     fleet.Version
		update   fleet.Update
		attempts fleet.Attempts
		state    fleet.ReleaseState
		want     fleet.ReleaseCounts // Confirmed, Failed, Return
		part     string
	}{
		{name: "before", runs: one, part: "waiting"},
		{name: "it takes the stepping stone", runs: one, update: hop(fleet.Downloading), part: "updating"},
		{name: "the stepping stone failed", runs: one, update: failed(hop(fleet.RolledBack)), attempts: spent, want: fleet.ReleaseCounts{Failed: 1}},
		{name: "the stepping stone failed, and an operator retries", runs: one, update: failed(hop(fleet.RolledBack)), want: fleet.ReleaseCounts{Failed: 1}},
		{name: "on the stepping stone", runs: two, update: hop(fleet.Confirmed), part: "waiting"},
		{name: "on the stepping stone, at the second try", runs: two, update: hop(fleet.Confirmed), attempts: spent, want: fleet.ReleaseCounts{Failed: 1}},
		{name: "on its way to the target", runs: two, update: last(fleet.Applying), part: "updating"},
		{name: "the target failed", runs: two, update: failed(last(fleet.RolledBack)), attempts: spent, want: fleet.ReleaseCounts{Failed: 1}},
		{name: "there", runs: three, update: last(fleet.Confirmed), want: fleet.ReleaseCounts{Confirmed: 1}},
		{name: "there, at the second try", runs: three, update: last(fleet.Confirmed), attempts: spent, want: fleet.ReleaseCounts{Confirmed: 1}},
		{name: "halted on the stepping stone", runs: two, update: hop(fleet.Confirmed), state: fleet.ReleaseHalted, part: "neither"},
		{name: "reverting from the stepping stone", runs: two, update: hop(fleet.Confirmed), state: fleet.ReleaseReverting, want: fleet.ReleaseCounts{Return: 1}},
		{name: "reverting from the version", runs: three, update: last(fleet.Confirmed), state: fleet.ReleaseReverting, want: fleet.ReleaseCounts{Confirmed: 1, Return: 1}},
		{name: "back", runs: one, update: fleet.Update{From: two, To: one, State: fleet.Confirmed}, state: fleet.ReleaseReverting},
	} {
		c := &fleet.Catalog{Product: fleet.Product{ID: 1, Team: 1}, Default: three, Firmware: map[string]fleet.Firmware{}}
		for _, v := range []fleet.Version{one, two, three} {
			c.Firmware[v.Key()] = fleet.Firmware{Version: v}
		}
		c.Firmware[three.Key()] = fleet.Firmware{Version: three, Requires: fleet.Range{From: two}}
		r := fleet.Release{ID: 7, Version: three, Base: one, State: fleet.ReleaseRunning, Share: fleet.Whole, Plan: careful()}
		switch row.state {
		case fleet.ReleaseHalted:
			r.State = row.state
		case fleet.ReleaseReverting:
			r = reverting(r)
		}
		c.SetStaged(r)
		x := index.New()
		x.Put(&fleet.Device{ID: "a", Team: 1, Product: 1, Running: row.runs, UpdatesOn: true, Revision: 1, Update: row.update, Attempts: row.attempts})
		x.Finish()
		n, err := New(Config{Index: x, MaxAttempts: 3}).count(everyone(c), c, &r)
		if err != nil {
			t.Fatal(err)
		}
		if n.Confirmed != row.want.Confirmed || n.Failed != row.want.Failed || n.Return != row.want.Return {
			t.Errorf("%s: got %+v", row.name, n)
		}
		waiting, updating := 0, underWayIn(n)
		for _, devices := range n.Waiting {
			waiting += devices
		}
		if (waiting == 1) != (row.part == "waiting") || (updating == 1) != (row.part == "updating") {
			t.Errorf("%s: got %d waiting, %d updating", row.name, waiting, updating)
		}
	}
}

func TestADeviceThatRestartsIntoASteppingStoneCanBeLost(t *testing.T) {
	one, two, three := fleet.WholeVersion(1), fleet.WholeVersion(2), fleet.WholeVersion(3)
	c := &fleet.Catalog{Product: fleet.Product{ID: 1, Team: 1}, Default: three}
	r := fleet.Release{ID: 7, Version: three, Base: one, State: fleet.ReleaseRunning, Share: fleet.Whole, Plan: careful()}
	x := index.New()
	x.Put(&fleet.Device{ID: "a", Team: 1, Product: 1, Running: one, Revision: 1, Update: fleet.Update{From: one, To: two, Goal: three, State: fleet.Applying, Release: 7}})
	x.Finish()
	devices, err := New(Config{Index: x}).restarting(c, &r)
	if err != nil || len(devices) != 1 {
		t.Errorf("got %v, %v", devices, err)
	}
	if lost := make(absences).lost(devices, 0, time.Now()); len(lost) != 1 {
		t.Errorf("got %v", lost)
	}
}
