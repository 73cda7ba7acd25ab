package console

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
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
		"at its target":         {deviceBody{View: device(one, fleet.Version{})}, "Should run", "The product default", one, true},
		"behind its target":     {deviceBody{View: device(three, fleet.Version{})}, "Should run", "The product default", three, false},
		"on its way":            {deviceBody{View: device(three, fleet.Version{}), Running: &fleet.Update{To: three}}, "Is getting", "The product default", three, false},
		"flashed":               {deviceBody{View: device(one, four), Running: &fleet.Update{To: four}}, "Is getting", "An operator sends this version once; otherwise it should run 1", four, false},
		"about to be flashed":   {deviceBody{View: device(one, four)}, "Is to get", "An operator sends this version once; otherwise it should run 1", four, false},
		"flashed, no target":    {deviceBody{View: device(fleet.Version{}, four)}, "Is to get", "An operator sends this version once", four, false},
		"overtaken by a target": {deviceBody{View: device(one, fleet.Version{}), Running: &fleet.Update{To: three}}, "Is getting", "What it should run has changed meanwhile", three, false},
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
		step fleet.Step
		want string
	}{
		"past":       {fleet.Step{Rule: "handshake", Detail: "the last one was at " + past.Format(time.RFC3339)}, "the last one was 4 min ago"},
		"in between": {fleet.Step{Rule: "update", Detail: "attempt 1, started at " + past.Format(time.RFC3339) + ", 5 of 9 bytes"}, "attempt 1, started 4 min ago, 5 of 9 bytes"},
		"future":     {fleet.Step{Rule: "cool-down", Detail: "cooling down until " + future.Format(time.RFC3339)}, "cooling down until " + stamp(future)},
		"no time":    {fleet.Step{Rule: "lock", Detail: "not locked"}, "not locked"},
	} {
		if got := detail(c.step); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
