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
	if err := checkEvery(c.Every); err != nil {
		return err
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	view := terminal.NewView(os.Stdout, c.Plain || c.JSON)
	var last []string
	expired, err := refresh(ctx, c.Every, c.For, func(ctx context.Context) (done bool, err error) {
		r, err := s.OneRelease(ctx, s.product, c.ID)
		if err != nil {
			return false, err
		}
		if lines := releaseLines(r); !slices.Equal(lines, last) {
			last = lines
			if !c.JSON {
				view.Show(lines)
			} else if err := c.show(r, nil); err != nil {
				return false, err
			}
		}
		switch r.State {
		case fleet.ReleaseDone.String():
			return true, nil
		case fleet.ReleaseHalted.String(), fleet.ReleaseReverted.String(), fleet.ReleaseReplaced.String(), fleet.ReleaseWithdrawn.String():
			return true, fmt.Errorf("release %d is %s: %s", r.ID, r.State, cell(r.Why))
		}
		return false, nil
	})
	if err == nil && expired {
		return fmt.Errorf("after %s release %d has not ended", c.For, c.ID)
	}
	return err
}
