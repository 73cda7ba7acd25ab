package rollout

import (
	"fmt"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// Next returns what becomes of r by its plan when its devices stand at n and it was observed
// for some more time. It changes State, Share, Stage, Held, Why and Alert. A release that has
// ended or is halted stays as it is. now is for the start of a scheduled release only: a
// step of the clock neither skips nor lengthens a hold.
func Next(r fleet.Release, n fleet.ReleaseCounts, observed time.Duration, now time.Time) fleet.Release {
	switch r.State {
	case fleet.ReleaseScheduled:
		if !now.Before(r.Plan.Start) {
			r.Enter(r.Stage)
		}
		return r
	case fleet.ReleaseReverting:
		if n.Return == 0 && n.Updating[fleet.Applying] == 0 {
			r.State = fleet.ReleaseReverted
		}
		return r
	case fleet.ReleaseRunning, fleet.ReleaseWaiting, fleet.ReleasePaused:
	default:
		return r
	}
	if why := fault(&r, n); why != "" {
		return halted(r, why)
	}
	if r.State == fleet.ReleasePaused {
		return r
	}
	stage := r.Plan.Stages[r.Stage]
	r.Held = min(r.Held+observed, stage.Hold)
	switch {
	case r.Held < stage.Hold:
		r.State = fleet.ReleaseRunning
	case missing(&r, n) != "" || stage.Approve:
		r.State = fleet.ReleaseWaiting
	default:
		r = grown(r)
	}
	return r
}

// halted stops r by itself, as its plan requires.
func halted(r fleet.Release, why string) fleet.Release {
	r.State, r.Why, r.Alert = fleet.ReleaseHalted, why, true
	if r.Plan.Revert {
		r = reverting(r)
	}
	return r
}

// reverting is r giving its version to nobody any more.
func reverting(r fleet.Release) fleet.Release {
	r.State, r.Share, r.Few, r.First = fleet.ReleaseReverting, 0, 0, 0
	return r
}

// grown is r at its next stage, done after the last.
func grown(r fleet.Release) fleet.Release {
	r.Held, r.Why = 0, ""
	if r.Stage == len(r.Plan.Stages)-1 {
		r.State, r.Share = fleet.ReleaseDone, fleet.Whole
		return r
	}
	r.Enter(r.Stage + 1)
	return r
}

// fault is why r has to halt, with the numbers, "" when it has not to.
func fault(r *fleet.Release, n fleet.ReleaseCounts) string {
	ended := n.Ended() - r.Forgive.Failed - r.Forgive.Lost
	for _, count := range []struct {
		what    string
		devices int
		of      int
		bar     fleet.Bar
	}{
		{"ended updates failed or were rolled back", n.Failed - r.Forgive.Failed, ended, r.Plan.Halt.Failures},
		{"ended updates were lost after they restarted into it", n.Lost - r.Forgive.Lost, ended, r.Plan.Halt.Lost},
		{"updated devices are unhealthy, beyond what is usual for devices that were not updated", n.Unhealthy - r.Forgive.Unhealthy, n.Confirmed, r.Plan.Halt.Unhealthy},
	} {
		switch bar := count.bar; {
		case bar.Devices > 0 && count.devices >= bar.Devices:
			return fmt.Sprintf("%d of %d %s; it halts at %d", count.devices, count.of, count.what, bar.Devices)
		case bar.Share > 0 && count.of >= r.Plan.Sample && above(count.devices, count.of, bar.Share):
			return fmt.Sprintf("%d of %d %s (%s); it halts above %s", count.devices, count.of, count.what, part(count.devices, count.of), bar.Share)
		}
	}
	return ""
}

// missing is what r's gate lacks, "" when it holds or there is none. It never holds for lack of
// data.
func missing(r *fleet.Release, n fleet.ReleaseCounts) string {
	ended := n.Ended()
	switch {
	case r.Plan.Gate == 0:
		return ""
	case ended < r.Plan.Sample:
		return fmt.Sprintf("%d of the %d ended updates that its gate needs", ended, r.Plan.Sample)
	case above(ended-n.Confirmed, ended, fleet.Whole-r.Plan.Gate):
		return fmt.Sprintf("%d of %d ended updates are confirmed (%s); its gate needs %s", n.Confirmed, ended, part(n.Confirmed, ended), r.Plan.Gate)
	}
	return ""
}

// above reports whether devices of all are more than share.
func above(devices, all int, share fleet.Share) bool {
	return devices*int(fleet.Whole) > all*int(share)
}

// part is devices of all as a share, rounded down.
func part(devices, all int) fleet.Share {
	if all == 0 {
		return 0
	}
	return fleet.Share(devices * int(fleet.Whole) / all) //nolint:gosec // at most Whole
}

// Reason is what r waits for, or what led to its state, in words.
func Reason(r *fleet.Release, n fleet.ReleaseCounts) string {
	stages := len(r.Plan.Stages)
	at := fmt.Sprintf("stage %d of %d, %s", r.Stage+1, stages, r.Reached())
	switch r.State {
	case fleet.ReleaseScheduled:
		return "it starts at " + r.Plan.Start.UTC().Format(time.RFC3339)
	case fleet.ReleaseRunning:
		return fmt.Sprintf("%s: held for %s of %s", at, humane.Span(r.Held), humane.Lasting(r.Plan.Stages[r.Stage].Hold))
	case fleet.ReleaseWaiting:
		if lack := missing(r, n); lack != "" {
			return at + ": " + lack
		}
		return at + ": it waits for approval"
	case fleet.ReleaseReverting:
		if n.Return == 0 {
			return r.Why // devices that restart into the version may still have to
		}
		text := humane.Count(n.Return, "device") + " still to return"
		if r.Why != "" {
			text += ": " + r.Why
		}
		return text
	case fleet.ReleaseHalted:
		if r.Plan.Ask {
			return r.Why + ": resume it, revert it or finish it"
		}
	}
	return r.Why
}
