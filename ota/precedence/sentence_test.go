package precedence

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

func TestSentences(t *testing.T) {
	two, three := fleet.WholeVersion(2), fleet.WholeVersion(3)
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		step Step
		want string
	}{
		{Step{Rule: RuleFlash, Outcome: Applies, Version: two}, "an operator sends 2 once, whatever the rules say"},
		{Step{Rule: RuleDevelopment, Outcome: Applies}, "a development device is never updated automatically"},
		{Step{Rule: RuleDevelopment, Outcome: None}, "not a development device"},
		{Step{Rule: RuleLock, Outcome: PassedOver, Version: two}, "locked to 2: kept, and not applied to a development device"},
		{Step{Rule: RuleGroup, Outcome: None}, "in no group"},
		{Step{Rule: RuleGroup, Outcome: None, Groups: 2}, "none of its groups has a release in this product"},
		{Step{Rule: RuleGroup, Outcome: PassedOver, Group: "beta", Version: two}, "group beta would give 2"},
		{Step{Rule: RuleGroup, Outcome: Wins, Hidden: true}, "a group you can't see"},
		{Step{Rule: RuleDefault, Outcome: None}, "the product has no default"},
		{Step{Rule: RuleRunning, Outcome: Unknown, Version: two}, "it has not said yet what it runs"},
		{Step{Rule: RuleRunning, Outcome: Differs, Running: two, Version: three}, "it runs 2, not 3"},
		{Step{Rule: RuleConnection, Outcome: Refused}, "the device is disabled: it can't connect"},
		{Step{Rule: RuleUpdates, Outcome: Passes, Forced: true}, `the device says "not now", an operator forces updates`},
		{Step{Rule: RuleUpdate, Attempt: 2, At: noon, Bytes: Share{10, 100}}, "attempt 2, started at 2026-01-01T12:00:00Z, 10 of 100 bytes"},
		{Step{Rule: RuleUpdate, Attempt: 2, At: noon, Reason: 4, Text: "bad flash"}, "attempt 2, started at 2026-01-01T12:00:00Z: digest differs (bad flash)"},
		{Step{Rule: RuleCapacity, Outcome: HasSlot, Slots: Share{3, 10}}, "3 of 10 updates run"},
		{
			Step{Rule: RuleCapacity, Outcome: Waits, Slots: Share{10, 10}, Behind: Share{4, 4}, Line: Share{2, 7}},
			"10 of 10 updates run, 4 of 4 behind its gateway; it is number 2 of 7 in the line",
		},
		{Step{Rule: RuleHandshake, Outcome: Awaited, At: noon}, "it is decided at the next handshake; the last one was at 2026-01-01T12:00:00Z"},
		{Step{Rule: RuleWindow, Outcome: HoldsBack, At: noon}, "outside the release's windows; the next one opens at 2026-01-01T12:00:00Z"},
		{Step{Rule: RuleWindow, Outcome: HoldsBack}, `the release has windows in each device's own time zone, and the device reports none (fact "tz")`},
		{Step{Rule: RuleWindow, Outcome: Passes}, "updates may begin at this time"},
		{Step{Rule: RuleLimits, Outcome: HoldsBack, Text: LimitAtOnce, Places: Share{20, 20}}, "the release updates 20 devices at once, and 20 are being updated"},
		{Step{Rule: RuleLimits, Outcome: HoldsBack, Text: LimitHourly, Places: Share{60, 60}}, "the release begins 60 devices an hour: others are first"},
		{Step{Rule: RuleLimits, Outcome: HoldsBack, Text: LimitGroup, Places: Share{1, 1}}, "of one of its groups 1 may be updated at once, and 1 are"},
		{Step{Rule: RuleLimits, Outcome: Passes}, "within the release's limits"},
		{Step{Rule: RuleGroup, Outcome: Considered, Group: "eu", Version: two, Staged: Staging{Release: 1, Version: three, Devices: 20}}, "group eu releases 3 to 20 of its devices; this device is not one of them, so group eu still gives 2"},
		{Step{Rule: RuleGroup, Outcome: Considered, Group: "eu", Version: three, Staged: Staging{Release: 1, Version: three, First: true, Inside: true}}, "group eu releases 3 to a first group; this device is in it"},
		{Step{Rule: RuleHandshake, Outcome: Awaited}, "it is decided at its first handshake; it has had none yet"},
	} {
		if got := row.step.String(); got != row.want {
			t.Errorf("%s, %s: got %q, want %q", row.step.Rule, row.step.Outcome, got, row.want)
		}
	}
}

func TestEveryRuleHasASentence(t *testing.T) {
	for _, rule := range []Rule{
		RuleFlash, RuleDevelopment, RuleLock, RuleGroup, RuleDefault, RuleRunning, RuleConnection, RuleFirmware, RuleHold,
		RuleHardware, RuleFloor, RuleRequires, RuleAttempts, RuleCoolDown, RuleSize, RuleUpdates, RuleUpdate, RuleCapacity, RuleHandshake, RuleWindow, RuleLimits,
	} {
		if (Step{Rule: rule}).String() == "" {
			t.Errorf("%s has none", rule)
		}
	}
}
