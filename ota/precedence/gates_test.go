package precedence

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestGates(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	two, three := fleet.WholeVersion(2), fleet.WholeVersion(3)
	for _, row := range []struct {
		name     string
		device   fleet.Device
		change   func(*Candidate)
		reason   fleet.ReasonCode // 0: it passes
		again    time.Duration
		sentence string
		obstacle string // as an index entry tells; a record may know more
	}{
		{name: "nothing is in the way", device: fleet.Device{UpdatesOn: true}},
		{name: "never uploaded", device: fleet.Device{UpdatesOn: true}, change: func(c *Candidate) { c.Firmware = fleet.Firmware{} },
			reason: wire.ReasonOther, sentence: "version 2 was never uploaded"},
		{name: "stopped by an operator", device: fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Target: two, Held: true}},
			reason: wire.ReasonStopped, sentence: "stopped by an operator: nothing until the target changes or someone retries", obstacle: "held"},
		{name: "stopped at another target", device: fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Target: three, Held: true}}},
		{name: "exhausted", device: fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Target: two, Spent: 3}},
			reason: wire.ReasonOther, sentence: "exhausted: 3 of 3 attempts spent; nothing until the target changes or someone retries", obstacle: "exhausted"},
		{name: "exhausted, and sent once by an operator", device: fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Target: two, Spent: 3}},
			change: func(c *Candidate) { c.Flash = true }, obstacle: ""},
		{name: "one attempt left", device: fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Target: two, Spent: 2}}},
		{name: "cooling down", device: fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Target: two, Spent: 1, NotBefore: now.Add(time.Minute)}},
			reason: wire.ReasonNotNow, again: time.Minute, sentence: "cooling down after a failed attempt until 2026-01-01T12:01:00Z; a retry of the update ends that"},
		{name: "cooled down", device: fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Target: two, Spent: 1, NotBefore: now}}},
		{name: "too large", device: fleet.Device{UpdatesOn: true}, change: func(c *Candidate) { c.MaxImage = 99 },
			reason: wire.ReasonImageTooLarge, sentence: "the image has 100 bytes, the device stores up to 99", obstacle: "too_large"},
		{name: "it just fits", device: fleet.Device{UpdatesOn: true}, change: func(c *Candidate) { c.MaxImage = 100 }},
		{name: "not now", reason: wire.ReasonNotNow, sentence: `the device says "not now"`, obstacle: "not_now"},
		{name: "not now, forced", device: fleet.Device{Force: true}},
		{name: "not now and stopped: the device hears of the operator first", device: fleet.Device{Attempts: fleet.Attempts{Target: two, Held: true}},
			reason: wire.ReasonStopped, sentence: "stopped by an operator: nothing until the target changes or someone retries", obstacle: "not_now"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fill := func(c Candidate) *Candidate {
				c.Target, c.Firmware, c.MaxAttempts, c.Now = two, fleet.Firmware{Version: two, Size: 100}, 3, now
				if row.change != nil {
					row.change(&c)
				}
				return &c
			}
			record := fill(CandidateOf(&row.device))
			r, held := record.Refusal()
			if held != (row.reason != 0) || r.Reason != row.reason || r.Again != row.again || held && r.Step.String() != row.sentence {
				t.Errorf("got reason %d, again %s: %s; want %d, %s: %s", r.Reason, r.Again, r.Step, row.reason, row.again, row.sentence)
			}
			firstHeld := ""
			for _, step := range record.Steps() {
				if step.Outcome == HoldsBack && firstHeld == "" {
					firstHeld = step.String()
				}
			}
			if firstHeld != row.sentence {
				t.Errorf("explained as %q, want %q", firstHeld, row.sentence)
			}
			a := row.device.Attempts
			entry := fill(CandidateOfEntry(&fleet.IndexEntry{
				Disabled: row.device.Disabled, UpdatesOn: row.device.UpdatesOn, Force: row.device.Force,
				AttemptsFor: a.Target, Spent: a.Spent, Held: a.Held,
			}))
			for what, c := range map[string]*Candidate{"record": record, "entry": entry} {
				if got := c.Obstacle(); got != row.obstacle {
					t.Errorf("%s: got obstacle %q, want %q", what, got, row.obstacle)
				}
			}
		})
	}
	disabled := CandidateOf(&fleet.Device{Disabled: true})
	if got := disabled.Obstacle(); got != "disabled" {
		t.Errorf("a disabled device: got obstacle %q", got)
	}
}
