package cli

import (
	"context"

	"github.com/muster-iot/muster/api"
)

// acting is what the verbs that act on a release have in common.
type acting struct {
	productRemote
	agree
	oneRelease
}

// act shows the release, asks, and takes action.
func (c *acting) act(ctx context.Context, action, question string) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	before, err := readRelease(ctx, s, c.ID)
	if err != nil {
		return err
	}
	for _, line := range releaseLines(before) {
		note("%s", line)
	}
	if err := c.confirm(ctx, "%s?", question); err != nil {
		return err
	}
	r, err := s.ActOnRelease(ctx, s.product, c.ID, action)
	return answer(c, r, err, func(t *table, r api.StagedRelease) {
		t.line("Release %d is %s, at %s.", r.ID, r.State, reached(r))
	})
}

type (
	releaseApproveCmd struct{ acting }
	releasePauseCmd   struct{ acting }
	releaseResumeCmd  struct{ acting }
	releaseHaltCmd    struct{ acting }
	releaseRevertCmd  struct{ acting }
	releaseFinishCmd  struct{ acting }
)

// Run approves.
func (c *releaseApproveCmd) Run(ctx context.Context) error {
	return c.act(ctx, "approve", "Go on to the next stage")
}

// Run pauses.
func (c *releasePauseCmd) Run(ctx context.Context) error {
	return c.act(ctx, "pause", "Keep the share; devices inside it still update")
}

// Run resumes.
func (c *releaseResumeCmd) Run(ctx context.Context) error {
	return c.act(ctx, "resume", "Continue; failures so far don't halt it again")
}

// Run halts.
func (c *releaseHaltCmd) Run(ctx context.Context) error {
	return c.act(ctx, "halt", "Stop running downloads, and update no device any more")
}

// Run reverts.
func (c *releaseRevertCmd) Run(ctx context.Context) error {
	return c.act(ctx, "revert", "Return updated devices to what they ran before")
}

// Run finishes.
func (c *releaseFinishCmd) Run(ctx context.Context) error {
	return c.act(ctx, "finish", "Release to every device now, without the rest of the plan")
}
