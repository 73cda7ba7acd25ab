package rollout

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// allowed is which actions each state allows.
var allowed = map[fleet.ReleaseState][]fleet.ReleaseAction{
	fleet.ReleaseScheduled: {fleet.RevertRelease, fleet.FinishRelease},
	fleet.ReleaseRunning:   {fleet.PauseRelease, fleet.HaltRelease, fleet.RevertRelease, fleet.FinishRelease},
	fleet.ReleaseWaiting:   {fleet.ApproveRelease, fleet.PauseRelease, fleet.HaltRelease, fleet.RevertRelease, fleet.FinishRelease},
	fleet.ReleasePaused:    {fleet.ResumeRelease, fleet.HaltRelease, fleet.RevertRelease, fleet.FinishRelease},
	fleet.ReleaseHalted:    {fleet.ResumeRelease, fleet.RevertRelease, fleet.FinishRelease},
}

// Allows reports whether a release in state can be changed by action.
func Allows(state fleet.ReleaseState, action fleet.ReleaseAction) bool {
	return slices.Contains(allowed[state], action)
}

// Act returns what becomes of r when an operator, named by, takes action while its devices
// stand at n. Resuming a halted release forgives the faults so far. Errors: Invalid for an
// unknown action, Conflict when r's state does not allow it.
func Act(r fleet.Release, action fleet.ReleaseAction, n fleet.ReleaseCounts, by string) (fleet.Release, error) {
	switch action {
	case fleet.ApproveRelease, fleet.PauseRelease, fleet.ResumeRelease, fleet.HaltRelease, fleet.RevertRelease, fleet.FinishRelease:
	default:
		return r, fleet.FieldErrorf("action", "%.40q is not an action: use approve, pause, resume, halt, revert or finish", string(action))
	}
	if !Allows(r.State, action) {
		return r, fleet.Errorf(fleet.Conflict, "release %s is %s: it can't be changed by %s now", r.ID, r.State, action)
	}
	was := r.State
	r.Why, r.Alert = "", false
	switch action {
	case fleet.ApproveRelease:
		return grown(r), nil
	case fleet.PauseRelease:
		r.State, r.Why = fleet.ReleasePaused, "paused by "+by
	case fleet.ResumeRelease:
		if r.State = fleet.ReleaseRunning; was == fleet.ReleaseHalted {
			r.Forgive = fleet.ReleaseFaults{Failed: n.Failed, Lost: n.Lost, Unhealthy: n.Unhealthy}
		}
	case fleet.HaltRelease:
		r.State, r.Why = fleet.ReleaseHalted, "halted by "+by
	case fleet.RevertRelease:
		r = reverting(r)
		r.Why = "taken back by " + by
	case fleet.FinishRelease:
		r.State, r.Share, r.Why = fleet.ReleaseDone, fleet.Whole, "finished by "+by
	}
	return r, nil
}
