package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// demoHold is how long each stage is held.
const demoHold = time.Second

// plan is the careful plan of the CLI and the console, for a small fleet and impatient people: it
// begins with more than 1 % of the devices, and its stages are held for a second each.
func (d *demo) plan() *api.Plan {
	careful := api.PlanOf(fleet.CarefulPlan(), nil)
	first := firstDevices(len(d.roles))
	careful.Stages = api.Stages{{Devices: first}, {Share: api.Percent{Share: 2500}}, {Share: api.Percent{Share: 5000}}, {Share: api.Percent{Share: fleet.Whole}}}
	for i := range careful.Stages {
		careful.Stages[i].Hold = &api.Span{Duration: demoHold}
	}
	careful.Gate.Sample = first - mustFail(first)/2 // so many never all succeed
	careful.OnHalt = "revert"
	return &careful
}

// fail releases the version that does not run everywhere, and waits until it was taken back.
func (d *demo) fail(ctx context.Context) (api.StagedRelease, error) {
	plan := d.plan()
	d.view.Say("\nVersion %d will not start on three of ten devices of hardware %s, which nobody has noticed yet.", faultyVersion, hardwareB)
	r, err := d.stage(ctx, faultyVersion, fmt.Sprintf(
		"Releasing version %d to everybody with a careful plan: %s first, then 25 %%, 50 %% and all of them. It continues only while\n"+
			"%s of at least %d updates succeed, and goes back by itself above %s failures. Stages are held for a second here, not for a day.",
		faultyVersion, humane.Count(plan.Stages[0].Devices, "device"), plan.Gate.Success, plan.Gate.Sample, plan.Halt.Failures.Share))
	if err != nil {
		return r, err
	}
	return d.follow(ctx, r, "the release has gone back", "reverted")
}

// succeed releases the version that runs everywhere, and waits until the release is done.
func (d *demo) succeed(ctx context.Context) error {
	r, err := d.stage(ctx, defaultVersion, fmt.Sprintf("Releasing version %d, the fix, with the same plan.", defaultVersion))
	if err != nil {
		return err
	}
	_, err = d.follow(ctx, r, "the release is done", "done")
	return err
}

// stage makes a release with the plan, as product default.
func (d *demo) stage(ctx context.Context, version uint32, what string) (api.StagedRelease, error) {
	f, err := d.released(ctx, what, api.Release{Version: whole(version), Default: new(true), Plan: d.plan(), Intelligent: true})
	if err != nil {
		return api.StagedRelease{}, err
	}
	return d.client.OneRelease(ctx, demoProduct, f.Release.ID)
}

// follow prints each change of a release until it is in state, or patience runs out, and returns
// the release as it is then.
func (d *demo) follow(ctx context.Context, r api.StagedRelease, what, state string) (api.StagedRelease, error) {
	var failed error
	shown := ""
	err := d.wait(ctx, demoPatience, what, func() bool {
		now, err := d.client.OneRelease(ctx, demoProduct, r.ID)
		if err != nil {
			failed = err
			return true
		}
		r = now
		line := fmt.Sprintf("  stage %d of %d: %s", r.Stage, len(r.Plan.Stages), r.State)
		if r.State == "reverting" {
			line += ": " + r.Why
		}
		if head := fmt.Sprint(r.Stage, r.State); head != shown && r.State != "waiting" {
			d.view.Say("%s", line)
			shown = head
		}
		return r.State == state
	})
	if failed != nil {
		err = failed
	}
	return r, err
}

// contained returns the verdict over the release of the faulty version: whether it went back, and
// no more devices than those of its first stage were ever offered the version, by what the devices
// themselves have seen.
func (d *demo) contained(r api.StagedRelease) (text string, ok bool) {
	touched := 0
	for _, role := range d.roles {
		status, _ := d.fleet.Device(role.id)
		if slices.ContainsFunc(status.Tried, fleet.WholeVersion(faultyVersion).Equal) {
			touched++
		}
	}
	first := r.Plan.Stages[0].Devices
	switch {
	case r.State != "reverted":
		return fmt.Sprintf("Version %d should have been taken back, but its release is %s: %s.", faultyVersion, r.State, r.Why), false
	case touched > first:
		return fmt.Sprintf("Version %d reached %s, more than the %d of its first stage.", faultyVersion, humane.Count(touched, "device"), first), false
	}
	return fmt.Sprintf("Version %d was offered to %d of %d devices, no more than its first stage of %d, before its release halted and went back.",
		faultyVersion, touched, len(d.roles), first), true
}
