package console

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

func TestStateOfADeviceIsTrueWhileItIsFlashed(t *testing.T) {
	one, three, four := fleet.WholeVersion(1), fleet.WholeVersion(3), fleet.WholeVersion(4)
	device := func(target, flash fleet.Version) fleet.DeviceView {
		v := fleet.DeviceView{Target: target, Reason: fleet.BecauseDefault}
		v.Running, v.Flash = one, flash
		return v
	}
	for name, c := range map[string]struct {
		in               deviceBody
		heading, because string
		coming           fleet.Version
		upToDate         bool
	}{
		"at its target":         {deviceBody{View: device(one, fleet.Version{})}, "Should run", "Product default", one, true},
		"behind its target":     {deviceBody{View: device(three, fleet.Version{})}, "Should run", "Product default", three, false},
		"on its way":            {deviceBody{View: device(three, fleet.Version{}), Running: &fleet.Update{To: three}}, "Receiving", "Product default", three, false},
		"flashed":               {deviceBody{View: device(one, four), Running: &fleet.Update{To: four}}, "Receiving", "Flashed once by an operator; its target is 1", four, false},
		"about to be flashed":   {deviceBody{View: device(one, four)}, "Will receive", "Flashed once by an operator; its target is 1", four, false},
		"flashed, no target":    {deviceBody{View: device(fleet.Version{}, four)}, "Will receive", "Flashed once by an operator", four, false},
		"overtaken by a target": {deviceBody{View: device(one, fleet.Version{}), Running: &fleet.Update{To: three}}, "Receiving", "Its target has changed meanwhile", three, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := c.in
			if b.Heading() != c.heading || b.Because() != c.because || b.Coming() != c.coming || b.UpToDate() != c.upToDate {
				t.Errorf("got %q %s, %q, up to date %t; want %q %s, %q, %t", b.Heading(), b.Coming(), b.Because(), b.UpToDate(), c.heading, c.coming, c.because, c.upToDate)
			}
		})
	}
}

func TestStepsOfTheTraceSayTimesAsPagesDo(t *testing.T) {
	past, future := time.Now().Add(-4*time.Minute).UTC().Truncate(time.Second), time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for name, c := range map[string]struct {
		step precedence.Step
		want string
	}{
		"past":       {precedence.Step{Rule: precedence.RuleHandshake, At: past}, "it is decided at the next handshake; the last one was 4 min ago"},
		"in between": {precedence.Step{Rule: precedence.RuleUpdate, Attempt: 1, At: past, Bytes: precedence.Share{Count: 5, Of: 9}}, "attempt 1, started 4 min ago, 5 of 9 bytes"},
		"future":     {precedence.Step{Rule: precedence.RuleCoolDown, Outcome: precedence.HoldsBack, At: future}, "cooling down after a failed attempt until " + stamp(future) + "; a retry of the update ends that"},
		"no time":    {precedence.Step{Rule: precedence.RuleLock}, "not locked"},
	} {
		if got := detail(c.step); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
