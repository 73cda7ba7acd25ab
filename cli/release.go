package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type releaseCmd struct {
	Create   releaseCreateCmd   `cmd:"" help:"Release a version by a plan: to a share of the devices that grows by stages; shows the impact of the first stage and asks." example:"muster release create 8 --default --careful"`
	Rehearse releaseRehearseCmd `cmd:"" help:"Run a release on a copy of the fleet as it is, in a time of its own: who would get it and when, and what would halt it. Changes nothing." example:"muster release rehearse 8 --default --careful --fail-at verify:5%"`

	List    releaseListCmd    `cmd:"" help:"List a product's releases with a plan: those under way, and the last that ended." example:"muster release list"`
	Show    releaseShowCmd    `cmd:"" help:"Show one release, its plan and its numbers." example:"muster release show 3"`
	Watch   releaseWatchCmd   `cmd:"" help:"Watch a release until it has ended." example:"muster release watch 3"`
	Approve releaseApproveCmd `cmd:"" help:"Let a waiting release continue to its next stage." example:"muster release approve 3"`
	Pause   releasePauseCmd   `cmd:"" help:"Keep a release at its share; devices inside it still update." example:"muster release pause 3"`
	Resume  releaseResumeCmd  `cmd:"" help:"Continue a release that was paused or has halted; failures so far don't halt it again." example:"muster release resume 3"`
	Halt    releaseHaltCmd    `cmd:"" help:"Stop a release: running downloads end, and no device updates any more." example:"muster release halt 3"`
	Revert  releaseRevertCmd  `cmd:"" help:"Take a release back: devices that were updated return to what they ran before." example:"muster release revert 3"`
	Finish  releaseFinishCmd  `cmd:"" help:"Release to every device now, without the rest of the plan." example:"muster release finish 3"`
}

type releaseCreateCmd struct {
	releasing
	planFlags
	Default bool `help:"Release as the product default, to every device that no other rule applies to."`
}

// Run adds one target, with a plan, to where the version is released.
func (c *releaseCreateCmd) Run(ctx context.Context) error {
	if c.Default == (len(c.Group) > 0) || len(c.Group) > 1 {
		return Misuse("release to which devices? Name one group with --group, or give --default for every device that no other rule applies to")
	}
	plan, err := c.plan()
	if err != nil {
		return err
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, tag, err := findFirmware(ctx, s, c.Version)
	if err != nil {
		return err
	}
	r, where := api.Release{Version: c.Version.wire(), Plan: plan}, "as the product default"
	if c.Default {
		r.Default = new(true)
	} else {
		r.Groups, where = api.Some(union(f.Groups, c.Group)), "to "+c.Group[0]
	}
	return c.order(ctx, s, tag, fmt.Sprintf("Release version %s %s, beginning with %s", c.Version, where, extent(plan.Stages[0])), r)
}

type releaseListCmd struct{ productRemote }

// Run lists releases.
func (c *releaseListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.StagedRelease, error) { return s.Releases(ctx, s.product) }, func(t *table, all []api.StagedRelease) {
		t.hint(len(all), "No releases with a plan yet. Make one with: muster release create VERSION --default --careful")
		t.row("ID", "VERSION", "TARGET", "STATE", "REACHED", "STAGE", "UPDATED", "FAILED", "CHANGED", "WHY")
		for _, r := range all {
			updated, failed := "", ""
			if n := r.Devices; n != nil {
				updated, failed = fmt.Sprintf("%d of %d", n.Running, n.Targets), strconv.Itoa(n.Failed+n.Lost)
			}
			t.row(r.ID, r.Version, releasedTo(r), r.State, reached(r), fmt.Sprintf("%d of %d", r.Stage, len(r.Plan.Stages)), updated, failed, r.Changed, clip(r.Why, 60))
		}
	})
}

// extent spells which devices a stage reaches.
func extent(s api.PlanStage) string {
	switch {
	case s.Devices > 0:
		return humane.Count(s.Devices, "device")
	case s.Group != "":
		return "the devices in " + s.Group
	}
	return s.Share.String() + " of the devices"
}

// reached spells which devices get the version now.
func reached(r api.StagedRelease) string {
	if stage := r.Plan.Stages[r.Stage-1]; r.State != "scheduled" && r.State != "reverting" && r.State != "reverted" && r.Share.Share < fleet.Whole {
		switch {
		case stage.Devices > 0:
			return humane.Count(stage.Devices, "device")
		case stage.Group != "":
			return "group " + stage.Group
		}
	}
	return r.Share.String()
}

// releasedTo is where a release releases to.
func releasedTo(r api.StagedRelease) string {
	if r.Group == "" {
		return "all (default)"
	}
	return r.Group
}

// oneRelease is the argument of verbs about one release.
type oneRelease struct {
	ID uint32 `arg:"" help:"Number of the release."`
}

type releaseShowCmd struct {
	productRemote
	oneRelease
}

// Run shows a release.
func (c *releaseShowCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (releaseState, error) { return readRelease(ctx, s, c.ID) }, drawRelease)
}

func drawRelease(t *table, r releaseState) {
	for _, line := range releaseLines(r) {
		t.line("%s", line)
	}
	for i, stage := range r.Plan.Stages {
		text := fmt.Sprintf("  stage %d: %s", i+1, extent(stage))
		if stage.Hold != nil {
			text += ", held for " + humane.Lasting(stage.Hold.Duration)
		}
		if stage.Approve {
			text += ", then approved by a person"
		}
		t.line("%s", text)
	}
	if g := r.Plan.Gate; g != nil {
		t.line("  gate: %s confirmed, of at least %d ended updates", g.Success, g.Sample)
	}
	if h := r.Plan.Halt; h != nil {
		for _, bar := range []struct {
			what string
			bar  *api.Bar
		}{{"failures", h.Failures}, {"lost devices", h.Lost}, {"unhealthy devices", h.Unhealthy}} {
			if bar.bar != nil {
				t.line("  halts at: %s %s; then: %s", barText(bar.bar), bar.what, r.Plan.OnHalt)
			}
		}
	}
	if r.Plan.Prefer != "" {
		t.line("  first stage: %s", r.Plan.Prefer)
	}
	for _, w := range r.Plan.Windows {
		t.line("  window: %s %s-%s %s", w.Days, w.From, w.To, w.Zone)
	}
	if l := r.Plan.Limits; l != nil {
		if l.AtOnce > 0 {
			t.line("  limit: %s at once", humane.Count(l.AtOnce, "device"))
		}
		if l.Rate != nil && l.MaxRate != nil {
			t.line("  limit: %s, growing to %s", l.Rate, l.MaxRate)
		} else if l.Rate != nil {
			t.line("  limit: %s", l.Rate)
		}
		if l.PerGateway > 0 {
			t.line("  limit: %s behind each gateway at once", humane.Count(l.PerGateway, "device"))
		}
		if l.PerGroup != nil {
			t.line("  limit: %s of each group's online devices", l.PerGroup)
		}
	}
}

func barText(b *api.Bar) string {
	if b.Devices > 0 {
		return strconv.Itoa(b.Devices)
	}
	return "more than " + b.Share.String()
}

// releaseState is a release, and for whom it waits.
type releaseState struct {
	api.StagedRelease
	Left  api.Remaining `json:"left"`             // devices that it gives its version and that don't run it yet
	AtEnd *api.Burn     `json:"at_end,omitempty"` // how its devices stood when it ended
}

func readRelease(ctx context.Context, s server, id uint32) (r releaseState, err error) {
	if r.StagedRelease, err = s.OneRelease(ctx, s.product, id); err != nil {
		return r, err
	}
	if r.Devices == nil {
		past, err := s.BurnDown(ctx, s.product, id)
		if n := len(past.Points); n > 0 {
			r.AtEnd = &past.Points[n-1]
		}
		if errors.Is(err, fleet.Denied) { // it counts devices that they may not see
			err = nil
		}
		return r, err
	}
	r.Left, err = s.Remaining(ctx, s.product, api.RemainingFilter{Release: id})
	return r, err
}

// releaseLines draw a release: what it is and how far, what it waits for, and why devices are left.
func releaseLines(r releaseState) []string {
	lines := []string{fmt.Sprintf("Release %d, version %s to %s: %s, %s, stage %d of %d", r.ID, r.Version, releasedTo(r.StagedRelease), r.State, reached(r.StagedRelease), r.Stage, len(r.Plan.Stages))}
	n := r.Devices
	if n != nil {
		lines[0] += fmt.Sprintf("; %d of %s run it, %d failed, %d lost", n.Running, humane.Count(n.Targets, "device"), n.Failed, n.Lost)
		if n.Unhealthy > 0 {
			lines[0] += fmt.Sprintf(", %d unhealthy", n.Unhealthy)
		}
	}
	if r.Why != "" {
		lines = append(lines, "  "+r.Why)
	}
	if end := r.AtEnd; end != nil {
		lines = append(lines, fmt.Sprintf("  when it ended, %s: %d confirmed, %d failed, %d lost, %d updating, %d waiting", end.At.Local().Format(time.DateTime), end.Confirmed, end.Failed, end.Lost, end.Downloading+end.Applying, end.Waiting))
	}
	if n == nil {
		return lines
	}
	lines = append(lines, fmt.Sprintf("  %s %d confirmed; %s at 100 %%", terminal.Bar(n.Running, n.Targets), n.Confirmed, humane.Count(n.Reach, "device")))
	lines = append(lines, leftLines(r.Left, fmt.Sprintf(" --release %d", r.ID))...)
	if n.Return > 0 {
		lines = append(lines, fmt.Sprintf("  %s still to return", humane.Count(n.Return, "device")))
	}
	if g := r.Gate; g != nil {
		lines = append(lines, fmt.Sprintf("  gate: %d of %d ended updates; %s confirmed, %s needed", g.Ended, g.Sample, g.Success, g.Needed))
	}
	return lines
}
