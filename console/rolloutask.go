package console

import (
	"fmt"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/ota/rollout"
)

// action is a button on the page of a release.
type action struct {
	Act  fleet.ReleaseAction
	Text string
	Bad  bool
}

var actions = []action{
	{fleet.ApproveRelease, "Approve the next stage", false}, {fleet.ResumeRelease, "Resume", false}, {fleet.PauseRelease, "Pause", false},
	{fleet.HaltRelease, "Halt", true}, {fleet.RevertRelease, "Take it back", true}, {fleet.FinishRelease, "Finish now", false},
}

// Actions are what can be done about the release in its state.
func (b rolloutBody) Actions() (possible []action) {
	if b.Over != 0 {
		return nil
	}
	for _, a := range actions {
		if rollout.Allows(b.State, a.Act) {
			possible = append(possible, a)
		}
	}
	return possible
}

// question fills in what depends on the action.
func (b rolloutBody) question(act fleet.ReleaseAction, q *question) error {
	n, id := b.Counts, "release "+b.ID.String()
	loading := n.Updating[fleet.Offered] + n.Updating[fleet.Downloading] + n.Updating[fleet.Stored]
	q.Facts = []string{fmt.Sprintf("Version %s, %s of its devices: %s so far, %s failed or rolled back, %s on the way.", b.Version, b.Share,
		humane.Count(n.Confirmed, "confirmed update"), humane.Number(n.Failed), humane.Number(loading+n.Updating[fleet.Applying]))}
	base := "nothing"
	if b.Base.Valid() {
		base = "version " + b.Base.String()
	}
	switch act {
	case fleet.ApproveRelease:
		q.Title, q.Button = "Approve the next stage of "+id+"?", "Approve"
		if b.Stage+1 < len(b.Plan.Stages) {
			next := b.Plan.Stages[b.Stage+1]
			q.Facts = append(q.Facts, fmt.Sprintf("It grows to %s of its devices, at their next handshake, whatever it waits for now.", next.Share))
		} else {
			q.Facts = append(q.Facts, "This was the last stage: the release is done then.")
		}
	case fleet.PauseRelease:
		q.Title, q.Button = "Pause "+id+"?", "Pause"
		q.Facts = append(q.Facts, "No further stage begins. Devices within the share still get the version.")
	case fleet.ResumeRelease:
		q.Title, q.Button = "Resume "+id+"?", "Resume"
		q.Facts = append(q.Facts, fmt.Sprintf("Devices within its share of %s get the version again, at their next handshake.", b.Share))
		if b.State == fleet.ReleaseHalted {
			q.Facts = append(q.Facts, "Failures and losses so far no longer count for a halt.")
			q.Sure = "Yes, continue in spite of what halted it"
		}
	case fleet.HaltRelease:
		q.Title, q.Button, q.Bad = "Halt "+id+"?", "Halt", true
		q.Facts = append(q.Facts, humane.Count(loading, "running download")+" stop at once, which costs the devices no attempt.",
			"No further device gets the version. Devices that run it keep it.")
	case fleet.RevertRelease:
		q.Title, q.Button, q.Bad = "Take back "+id+"?", "Take it back", true
		q.Facts = append(q.Facts, fmt.Sprintf("%s run it and go back to %s, at their next handshake, by ordinary updates.", humane.Count(n.Running, "device"), base),
			humane.Count(loading, "running download")+" stop at once.")
		q.Sure = "Yes, send " + humane.Count(n.Running, "device") + " back to " + base
	case fleet.FinishRelease:
		q.Title, q.Button = "Release to every device now?", "Finish"
		q.Facts = append(q.Facts, fmt.Sprintf("%s get version %s without the rest of the plan: nothing watches them or halts it any more.",
			humane.Count(max(0, n.Reach-n.Targets), "further device"), b.Version))
		q.Sure = "Yes, release to all of them without the plan"
	default:
		return fleet.Errorf(fleet.Invalid, "unknown action: %.40s", string(act))
	}
	if !rollout.Allows(b.State, act) || b.Over != 0 {
		q.Warn = append(q.Warn, "This is not possible now: the release is "+b.State.String()+".")
	}
	return nil
}
