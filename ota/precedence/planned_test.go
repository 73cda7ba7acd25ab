package precedence

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// TestAPlanLetsDevicesWait holds what keeps a device that could update from it, and when it may
// ask again.
func TestAPlanLetsDevicesWait(t *testing.T) {
	night := []calendar.Window{{From: time.Hour, To: 5 * time.Hour, Zone: "UTC"}}
	own := []calendar.Window{{From: time.Hour, To: 5 * time.Hour, Zone: calendar.Device}}
	full := Full{Limit: LimitAtOnce, Count: 5, Of: 5, Again: time.Minute}
	for name, row := range map[string]struct {
		hour   int
		change func(*Candidate)
		reason fleet.ReasonCode
		rule   Rule
		again  time.Duration // at least
		waits  string
	}{
		"at night":                 {hour: 2},
		"by day":                   {hour: 5, reason: wire.ReasonNotNow, rule: RuleWindow, again: 20 * time.Hour, waits: "window"},
		"by day, already begun":    {hour: 5, change: func(c *Candidate) { c.Begun = true }},
		"by day, without a plan":   {hour: 5, change: func(c *Candidate) { c.Plan = nil }},
		"by day, forced":           {hour: 5, change: func(c *Candidate) { c.UpdatesOn, c.Force = false, true }, reason: wire.ReasonNotNow, rule: RuleWindow, again: 20 * time.Hour, waits: "window"},
		"by night in Tokyo":        {hour: 17, change: func(c *Candidate) { c.Plan.Windows, c.Zone = own, "Asia/Tokyo" }},
		"by day in Tokyo":          {hour: 2, change: func(c *Candidate) { c.Plan.Windows, c.Zone = own, "Asia/Tokyo" }, reason: wire.ReasonNotNow, rule: RuleWindow, again: 14 * time.Hour, waits: "window"},
		"its zone is not known":    {hour: 2, change: func(c *Candidate) { c.Plan.Windows = own }, reason: wire.ReasonNotNow, rule: RuleWindow, waits: "zone_unknown"},
		"no room":                  {hour: 2, change: func(c *Candidate) { c.Room = func() Full { return full } }, reason: wire.ReasonBusy, rule: RuleLimits, again: time.Minute, waits: LimitAtOnce},
		"room":                     {hour: 2, change: func(c *Candidate) { c.Room = func() Full { return Full{} } }},
		"no room, already begun":   {hour: 2, change: func(c *Candidate) { c.Begun, c.Room = true, func() Full { return full } }},
		"not now comes before all": {hour: 2, change: func(c *Candidate) { c.UpdatesOn, c.Room = false, func() Full { panic("asked for room") } }, reason: wire.ReasonNotNow, rule: RuleUpdates},
	} {
		c := Candidate{
			UpdatesOn: true, MaxAttempts: 3, Target: fleet.WholeVersion(2), Firmware: fleet.Firmware{Version: fleet.WholeVersion(2)},
			Now: time.Date(2026, 6, 3, row.hour, 0, 0, 0, time.UTC), hash: 1 << 31,
			Plan: &fleet.ReleasePlan{Windows: night, Limits: fleet.ReleaseLimits{AtOnce: 5}},
		}
		if row.change != nil {
			row.change(&c)
		}
		r, held := c.Refusal()
		if held != (row.reason != 0) || r.Reason != row.reason || r.Step.Rule != row.rule || r.Again < row.again || r.Again > row.again+maxSpread {
			t.Errorf("%s: got %+v", name, r)
		}
		if row.rule != RuleUpdates {
			if waits := c.Waits(); waits != row.waits {
				t.Errorf("%s: it waits for %q, want %q", name, waits, row.waits)
			}
		}
	}
}

// TestDevicesReturnOverTheWholeSpread has devices ask again over ten minutes after a window opens.
func TestDevicesReturnOverTheWholeSpread(t *testing.T) {
	c := Candidate{
		Now: time.Date(2026, 6, 3, 5, 0, 0, 0, time.UTC), hash: 3 << 30,
		Plan: &fleet.ReleasePlan{Windows: []calendar.Window{{From: 6 * time.Hour, To: 7 * time.Hour, Zone: "UTC"}}},
	}
	if r := inWindow(&c); r.Again != time.Hour+maxSpread*3/4 {
		t.Errorf("got %s, want an hour and three quarters of %s", r.Again, maxSpread)
	}
}
