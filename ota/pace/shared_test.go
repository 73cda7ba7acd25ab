package pace_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/store/grant"
)

func turn(p *pace.Pace, bound int64) grant.Need {
	return p.Share(map[string]grant.Allowance{"turn": {Bound: bound}})["turn"]
}

// TestUpdatesBeginOnlyInAServersTurn: and not before it has counted what the server before it began.
func TestUpdatesBeginOnlyInAServersTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := fleet.ReleaseLimits{AtOnce: 2}
		p := pace.New()
		wanted := 0
		p.Shared(func() int { return 3 }, func() { wanted++ })
		count := func() { p.Set(key, pace.Standing{}, p.Mark(), time.Now()) }
		take := func(n int) string { return p.Take(key, limits, lamp(n), time.Now()).Limit }
		count()
		if n := turn(p, 0); n != (grant.Need{Most: 1}) {
			t.Errorf("nobody has asked, and it needs %+v", n)
		}
		if take(1) != precedence.LimitUnknown || wanted != 1 || turn(p, 0).Wants != 1 {
			t.Error("an update begins out of turn, or the turn is not asked for")
		}
		turn(p, 1)
		if count(); take(1) != precedence.LimitUnknown {
			t.Error("an update begins before those of another server can have been counted")
		}
		time.Sleep(3 * time.Second) //nolint:forbidigo // in a bubble
		if take(1) != precedence.LimitUnknown {
			t.Error("an update begins before those of another server were counted")
		}
		if count(); take(1) != "" {
			t.Error("no update begins in its turn")
		}
		if n := turn(p, 0); n.Held != 1 {
			t.Errorf("the turn passes on while an update is being written: %+v", n)
		}
		p.Began(lamp(1).ID)
		if n := turn(p, 0); n.Held != 0 || take(2) != precedence.LimitUnknown {
			t.Errorf("after its turn: %+v", n)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		if n := turn(p, 0); n.Wants != 0 {
			t.Errorf("nobody asks any more, and it needs %+v", n)
		}
	})
}

func TestServersDivideARate(t *testing.T) {
	t.Parallel()
	const hourly, servers = 3600, 3
	limits := fleet.ReleaseLimits{Hourly: hourly}
	begun := 0
	for range servers {
		p := pace.New()
		p.Shared(func() int { return servers }, func() {})
		p.Set(key, pace.Standing{Waiting: 1_000_000}, p.Mark(), now)
		for second := range 3600 {
			n, _ := begin(p, limits, 10*second, 3, now.Add(time.Duration(second)*time.Second))
			begun += n
		}
	}
	if begun < hourly*99/100 || begun > hourly+servers {
		t.Errorf("%d began, want %d", begun, hourly)
	}
}
