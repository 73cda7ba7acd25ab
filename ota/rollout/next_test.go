package rollout

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

const hour = time.Hour

// careful is a plan of three stages with a gate and bars.
func careful() fleet.ReleasePlan {
	return fleet.ReleasePlan{
		Stages: []fleet.ReleaseStage{{Share: 100, Hold: 2 * hour}, {Share: 5000, Hold: hour, Approve: true}, {Share: fleet.Whole, Hold: hour}},
		Sample: 20, Gate: 9800,
		Halt: fleet.ReleaseHalt{Failures: fleet.Bar{Share: 500}, Lost: fleet.Bar{Devices: 3}, Return: 30 * time.Minute, Unhealthy: fleet.Bar{Share: 300}, Soak: time.Hour},
	}
}

var start = time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)

// good is enough confirmed updates for the gate.
var good = fleet.ReleaseCounts{Confirmed: 50, Updating: map[fleet.UpdateState]int{}}

func TestEveryTransition(t *testing.T) {
	type state struct {
		state fleet.ReleaseState
		stage int
		share fleet.Share
		held  time.Duration
	}
	at := func(s fleet.ReleaseState, stage int, held time.Duration) state {
		return state{s, stage, careful().Stages[stage].Share, held}
	}
	for _, row := range []struct {
		name     string
		from     state
		plan     func(*fleet.ReleasePlan)
		counts   fleet.ReleaseCounts
		forgive  fleet.ReleaseFaults
		observed time.Duration
		now      time.Time
		want     state
		why      string // part of Why or Reason
	}{
		{name: "scheduled: before its start", from: state{fleet.ReleaseScheduled, 0, 0, 0}, now: start.Add(-time.Second), observed: hour, want: state{fleet.ReleaseScheduled, 0, 0, 0}, why: "starts at 2026-12-01T02:00:00Z"},
		{name: "scheduled: at its start", from: state{fleet.ReleaseScheduled, 0, 0, 0}, now: start, want: at(fleet.ReleaseRunning, 0, 0)},
		{name: "running: the hold is not over", from: at(fleet.ReleaseRunning, 0, hour), counts: good, observed: time.Minute, want: at(fleet.ReleaseRunning, 0, hour+time.Minute), why: "stage 1 of 3, 1 %: held for 1 h 1 min of 2 hours"},
		{name: "running: a clock that jumps a year ahead skips nothing", from: at(fleet.ReleaseRunning, 0, hour), counts: good, observed: time.Second, now: start.AddDate(1, 0, 0), want: at(fleet.ReleaseRunning, 0, hour+time.Second)},
		{name: "running: nor does one that jumps back stretch", from: at(fleet.ReleaseRunning, 0, 2*hour-time.Second), counts: good, observed: time.Second, now: start.AddDate(-1, 0, 0), want: at(fleet.ReleaseRunning, 1, 0)},
		{name: "running: the hold is over and the gate holds", from: at(fleet.ReleaseRunning, 0, 2*hour-time.Second), counts: good, observed: time.Minute, want: at(fleet.ReleaseRunning, 1, 0)},
		{name: "running: the gate has no data", from: at(fleet.ReleaseRunning, 0, 2*hour), counts: fleet.ReleaseCounts{}, observed: hour, want: at(fleet.ReleaseWaiting, 0, 2*hour), why: "0 of the 20 ended updates"},
		{name: "running: the gate has too little data", from: at(fleet.ReleaseRunning, 0, 2*hour), counts: fleet.ReleaseCounts{Confirmed: 19}, want: at(fleet.ReleaseWaiting, 0, 2*hour), why: "19 of the 20 ended updates"},
		{name: "running: exactly the sample", from: at(fleet.ReleaseRunning, 0, 2*hour), counts: fleet.ReleaseCounts{Confirmed: 20}, want: at(fleet.ReleaseRunning, 1, 0)},
		{name: "running: below the gate's bar", from: at(fleet.ReleaseRunning, 0, 2*hour), counts: fleet.ReleaseCounts{Confirmed: 97, Failed: 3}, want: at(fleet.ReleaseWaiting, 0, 2*hour), why: "97 of 100 ended updates are confirmed (97 %); its gate needs 98 %"},
		{name: "running: exactly the gate's bar", from: at(fleet.ReleaseRunning, 0, 2*hour), counts: fleet.ReleaseCounts{Confirmed: 98, Failed: 2}, want: at(fleet.ReleaseRunning, 1, 0)},
		{name: "running: lost devices count against the gate", from: at(fleet.ReleaseRunning, 0, 2*hour), counts: fleet.ReleaseCounts{Confirmed: 60, Lost: 2}, want: at(fleet.ReleaseWaiting, 0, 2*hour), why: "60 of 62"},
		{name: "running: no gate", from: at(fleet.ReleaseRunning, 0, 2*hour), plan: func(p *fleet.ReleasePlan) { p.Gate = 0 }, want: at(fleet.ReleaseRunning, 1, 0)},
		{name: "running: devices on the way are not a fault", from: at(fleet.ReleaseRunning, 0, hour), counts: fleet.ReleaseCounts{Updating: map[fleet.UpdateState]int{fleet.Downloading: 100}, Waiting: map[string]int{"offline": 1000}}, want: at(fleet.ReleaseRunning, 0, hour)},
		{name: "running: a person has to approve", from: at(fleet.ReleaseRunning, 1, hour), counts: good, want: at(fleet.ReleaseWaiting, 1, hour), why: "waits for approval"},
		{name: "waiting: an approval does not come by time", from: at(fleet.ReleaseWaiting, 1, hour), counts: good, observed: 100 * hour, want: at(fleet.ReleaseWaiting, 1, hour)},
		{name: "waiting: the gate comes to hold", from: at(fleet.ReleaseWaiting, 0, 2*hour), counts: good, want: at(fleet.ReleaseRunning, 1, 0)},
		{name: "running: the last stage is held too", from: at(fleet.ReleaseRunning, 2, 0), counts: good, observed: hour - time.Second, want: at(fleet.ReleaseRunning, 2, hour-time.Second)},
		{name: "running: done", from: at(fleet.ReleaseRunning, 2, hour), counts: good, want: at(fleet.ReleaseDone, 2, 0)},
		{name: "running: too many failures", from: at(fleet.ReleaseRunning, 0, 0), counts: fleet.ReleaseCounts{Confirmed: 94, Failed: 6}, want: at(fleet.ReleaseHalted, 0, 0), why: "6 of 100 ended updates failed or were rolled back (6 %); it halts above 5 %"},
		{name: "running: exactly the bar of failures", from: at(fleet.ReleaseRunning, 0, 0), counts: fleet.ReleaseCounts{Confirmed: 95, Failed: 5}, want: at(fleet.ReleaseRunning, 0, 0)},
		{name: "running: all of too few failed", from: at(fleet.ReleaseRunning, 0, 0), counts: fleet.ReleaseCounts{Failed: 19}, want: at(fleet.ReleaseRunning, 0, 0)},
		{name: "running: too many are lost, by number", from: at(fleet.ReleaseRunning, 0, 0), counts: fleet.ReleaseCounts{Lost: 3}, want: at(fleet.ReleaseHalted, 0, 0), why: "3 of 3 ended updates were lost after they restarted into it; it halts at 3"},
		{name: "running: two are lost", from: at(fleet.ReleaseRunning, 0, 0), counts: fleet.ReleaseCounts{Lost: 2}, want: at(fleet.ReleaseRunning, 0, 0)},
		{name: "waiting: a halt needs no hold", from: at(fleet.ReleaseWaiting, 1, hour), counts: fleet.ReleaseCounts{Confirmed: 10, Failed: 10}, want: at(fleet.ReleaseHalted, 1, hour)},
		{name: "running: too many unhealthy devices", from: at(fleet.ReleaseRunning, 0, 0), counts: fleet.ReleaseCounts{Confirmed: 50, Unhealthy: 2}, want: at(fleet.ReleaseHalted, 0, 0), why: "2 of 50 updated devices are unhealthy, beyond what is usual for devices that were not updated (4 %); it halts above 3 %"},
		{name: "running: as unhealthy as the bar", from: at(fleet.ReleaseRunning, 0, 0), counts: fleet.ReleaseCounts{Confirmed: 100, Unhealthy: 3}, want: at(fleet.ReleaseRunning, 0, 0)},
		{name: "running: a halt asks", from: at(fleet.ReleaseRunning, 0, 0), plan: func(p *fleet.ReleasePlan) { p.Ask = true }, counts: fleet.ReleaseCounts{Confirmed: 10, Failed: 10}, want: at(fleet.ReleaseHalted, 0, 0), why: "5 %: resume it, revert it or finish it"},
		{name: "paused: a fault halts it", from: at(fleet.ReleasePaused, 0, 0), counts: fleet.ReleaseCounts{Confirmed: 10, Failed: 10}, want: at(fleet.ReleaseHalted, 0, 0)},
		{name: "paused: nothing else happens", from: at(fleet.ReleasePaused, 0, 0), counts: good, observed: 100 * hour, want: at(fleet.ReleasePaused, 0, 0)},
		{name: "running: a halt reverts", from: at(fleet.ReleaseRunning, 1, hour), plan: func(p *fleet.ReleasePlan) { p.Revert = true }, counts: fleet.ReleaseCounts{Confirmed: 10, Failed: 10, Return: 10}, want: state{fleet.ReleaseReverting, 1, 0, hour}, why: "10 devices still to return: 10 of 20"},
		{name: "resumed: forgiven failures don't halt again", from: at(fleet.ReleaseRunning, 0, 0), forgive: fleet.ReleaseFaults{Failed: 10}, counts: fleet.ReleaseCounts{Confirmed: 30, Failed: 10}, want: at(fleet.ReleaseRunning, 0, 0)},
		{name: "resumed: further failures do, of the further updates", from: at(fleet.ReleaseRunning, 0, 0), forgive: fleet.ReleaseFaults{Failed: 10}, counts: fleet.ReleaseCounts{Confirmed: 28, Failed: 12}, want: at(fleet.ReleaseHalted, 0, 0), why: "2 of 30"},
		{name: "resumed: forgiven failures still count for the gate", from: at(fleet.ReleaseRunning, 0, 2*hour), forgive: fleet.ReleaseFaults{Failed: 10}, counts: fleet.ReleaseCounts{Confirmed: 90, Failed: 10}, want: at(fleet.ReleaseWaiting, 0, 2*hour)},
		{name: "halted: it stays", from: at(fleet.ReleaseHalted, 0, 0), counts: good, observed: 100 * hour, want: at(fleet.ReleaseHalted, 0, 0)},
		{name: "reverting: devices have to return", from: state{fleet.ReleaseReverting, 1, 0, 0}, counts: fleet.ReleaseCounts{Return: 1}, want: state{fleet.ReleaseReverting, 1, 0, 0}, why: "1 device still to return"},
		{name: "reverting: one is about to restart into it", from: state{fleet.ReleaseReverting, 1, 0, 0}, counts: fleet.ReleaseCounts{Updating: map[fleet.UpdateState]int{fleet.Applying: 1}}, want: state{fleet.ReleaseReverting, 1, 0, 0}},
		{name: "reverting: all have returned", from: state{fleet.ReleaseReverting, 1, 0, 0}, counts: fleet.ReleaseCounts{}, want: state{fleet.ReleaseReverted, 1, 0, 0}},
		{name: "done: it stays", from: at(fleet.ReleaseDone, 2, 0), counts: fleet.ReleaseCounts{Failed: 100}, want: at(fleet.ReleaseDone, 2, 0)},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := fleet.Release{ID: 1, State: row.from.state, Stage: row.from.stage, Share: row.from.share, Held: row.from.held, Plan: careful(), Forgive: row.forgive}
			r.Plan.Start = start
			if row.plan != nil {
				row.plan(&r.Plan)
			}
			if row.now.IsZero() {
				row.now = start
			}
			next := Next(r, row.counts, row.observed, row.now)
			if got := (state{next.State, next.Stage, next.Share, next.Held}); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
			if text := Reason(&next, row.counts); !strings.Contains(text, row.why) {
				t.Errorf("got %q, want it to contain %q", text, row.why)
			}
		})
	}
}

func TestActionsByState(t *testing.T) {
	type from = fleet.ReleaseState
	all := []fleet.ReleaseAction{fleet.ApproveRelease, fleet.PauseRelease, fleet.ResumeRelease, fleet.HaltRelease, fleet.RevertRelease, fleet.FinishRelease}
	want := map[from]map[fleet.ReleaseAction]from{
		fleet.ReleaseScheduled: {fleet.RevertRelease: fleet.ReleaseReverting, fleet.FinishRelease: fleet.ReleaseDone},
		fleet.ReleaseRunning:   {fleet.PauseRelease: fleet.ReleasePaused, fleet.HaltRelease: fleet.ReleaseHalted, fleet.RevertRelease: fleet.ReleaseReverting, fleet.FinishRelease: fleet.ReleaseDone},
		fleet.ReleaseWaiting: {
			fleet.ApproveRelease: fleet.ReleaseRunning, fleet.PauseRelease: fleet.ReleasePaused, fleet.HaltRelease: fleet.ReleaseHalted,
			fleet.RevertRelease: fleet.ReleaseReverting, fleet.FinishRelease: fleet.ReleaseDone,
		},
		fleet.ReleasePaused:    {fleet.ResumeRelease: fleet.ReleaseRunning, fleet.HaltRelease: fleet.ReleaseHalted, fleet.RevertRelease: fleet.ReleaseReverting, fleet.FinishRelease: fleet.ReleaseDone},
		fleet.ReleaseHalted:    {fleet.ResumeRelease: fleet.ReleaseRunning, fleet.RevertRelease: fleet.ReleaseReverting, fleet.FinishRelease: fleet.ReleaseDone},
		fleet.ReleaseReverting: {}, fleet.ReleaseDone: {}, fleet.ReleaseReverted: {}, fleet.ReleaseReplaced: {}, fleet.ReleaseWithdrawn: {},
	}
	for state, actions := range want {
		for _, action := range all {
			r := fleet.Release{ID: 1, State: state, Share: 100, Plan: careful()}
			got, err := Act(r, action, fleet.ReleaseCounts{Failed: 7, Lost: 2}, "ada@example.com")
			to, may := actions[action]
			switch {
			case !may && !errors.Is(err, fleet.Conflict):
				t.Errorf("%s of a release that is %s: got %s, %v", action, state, got.State, err)
			case may && (err != nil || got.State != to):
				t.Errorf("%s of a release that is %s: got %s, %v, want %s", action, state, got.State, err, to)
			case may && to == fleet.ReleaseReverting && got.Share != 0, may && to == fleet.ReleaseDone && got.Share != fleet.Whole:
				t.Errorf("%s: a share of %s", action, got.Share)
			case may && action == fleet.ResumeRelease && (got.Forgive.Failed == 7) != (state == fleet.ReleaseHalted):
				t.Errorf("resumed from %s: it forgives %+v", state, got.Forgive)
			case may && action == fleet.ApproveRelease && got.Stage != 1:
				t.Errorf("approved: stage %d", got.Stage)
			}
		}
	}
	if _, err := Act(fleet.Release{State: fleet.ReleaseRunning}, "explode", fleet.ReleaseCounts{}, ""); !errors.Is(err, fleet.Invalid) {
		t.Errorf("an unknown action: %v", err)
	}
}

// TestAReleaseNeverShrinksOrSkips drives releases with any counts and times: a share grows only
// stage by stage, only after the whole hold was observed and with a gate that holds, and becomes
// smaller only when the release reverts.
func TestAReleaseNeverShrinksOrSkips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := fleet.Release{ID: 1, State: fleet.ReleaseRunning, Share: 100, Plan: careful()}
		r.Plan.Revert = rapid.Bool().Draw(t, "revert")
		held := time.Duration(0)
		for range 100 {
			n := fleet.ReleaseCounts{
				Confirmed: rapid.IntRange(0, 100).Draw(t, "confirmed"), Failed: rapid.IntRange(0, 3).Draw(t, "failed"), Lost: rapid.IntRange(0, 3).Draw(t, "lost"),
			}
			observed := time.Duration(rapid.IntRange(0, 60).Draw(t, "minutes")) * time.Minute
			now := start.Add(time.Duration(rapid.Int64Range(-1e17, 1e17).Draw(t, "clock")))
			held += observed
			next := Next(r, n, observed, now)
			switch {
			case next.Share < r.Share && next.State != fleet.ReleaseReverting:
				t.Fatalf("from %+v to %+v", r, next)
			case next.Stage == r.Stage+1 || next.State == fleet.ReleaseDone && r.State != fleet.ReleaseDone:
				if held < r.Plan.Stages[r.Stage].Hold || missing(&r, n) != "" || fault(&r, n) != "" || r.Plan.Stages[r.Stage].Approve {
					t.Fatalf("after %s with %+v: from %+v to %+v", held, n, r, next)
				}
				held = 0
			case next.Stage != r.Stage:
				t.Fatalf("from stage %d to %d", r.Stage, next.Stage)
			}
			if slices.Contains(allowed[next.State], fleet.ApproveRelease) && rapid.Bool().Draw(t, "approve") {
				next, _ = Act(next, fleet.ApproveRelease, n, "")
				held = 0
			}
			r = next
		}
	})
}

func TestALostDeviceIsOneThatStaysAwayForLong(t *testing.T) {
	a := absences{}
	devices := func(ids ...fleet.DeviceID) []fleet.DeviceID { return ids }
	for i, row := range []struct {
		minute int
		away   []fleet.DeviceID
		lost   int
	}{
		{0, devices("a", "b"), 0}, {29, devices("a", "b", "c"), 0}, {30, devices("a", "c"), 1}, {31, devices("a", "b", "c"), 1}, {59, devices("b", "c"), 1}, {61, devices("b"), 1}, {62, nil, 0},
	} {
		if lost := len(a.lost(row.away, 30*time.Minute, start.Add(time.Duration(row.minute)*time.Minute))); lost != row.lost || len(a) != len(row.away) {
			t.Errorf("step %d: got %d lost of %d known, want %d of %d", i, lost, len(a), row.lost, len(row.away))
		}
	}
}
