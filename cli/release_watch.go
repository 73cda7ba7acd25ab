package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
)

type releaseWatchCmd struct {
	productRemote
	oneRelease
	Every time.Duration `default:"1s" help:"Refresh interval." placeholder:"TIME"`
	For   time.Duration `help:"Stop after this time; that is a failure." placeholder:"TIME"`
	Plain bool          `help:"Print plain lines instead of a live view."`
}

// Run refreshes until the release has ended, ctx ends or --for is over. It fails for a release
// that halted, was reverted or was withdrawn.
func (c *releaseWatchCmd) Run(ctx context.Context) error {
	if c.Every <= 0 {
		return Misuse("--every %s: use a time above 0, such as 1s", c.Every)
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	limit := ctx
	if c.For > 0 {
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	view := terminal.NewView(os.Stdout, c.Plain || c.JSON)
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for last := []string(nil); ; {
		r, err := s.OneRelease(limit, s.product, c.ID)
		if err != nil && limit.Err() == nil {
			return err
		}
		if lines := releaseLines(r); err == nil && !slices.Equal(lines, last) {
			last = lines
			if !c.JSON {
				view.Show(lines)
			} else if err := c.show(r, nil); err != nil {
				return err
			}
		}
		switch r.State {
		case fleet.ReleaseDone.String():
			return nil
		case fleet.ReleaseHalted.String(), fleet.ReleaseReverted.String(), fleet.ReleaseReplaced.String(), fleet.ReleaseWithdrawn.String():
			return fmt.Errorf("release %d is %s: %s", r.ID, r.State, cell(r.Why))
		}
		select {
		case <-tick.C:
		case <-limit.Done():
			if ctx.Err() == nil {
				return fmt.Errorf("after %s release %d has not ended", c.For, c.ID)
			}
			return nil
		}
	}
}
