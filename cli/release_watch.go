package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
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
	var r releaseState
	expired, err := refresh(ctx, c.Every, c.For, func(ctx context.Context) (done bool, err error) {
		now, err := readRelease(ctx, s, c.ID)
		if err != nil {
			return false, err // --for may be over: r is what was read before
		}
		r = now
		if lines := releaseLines(r); !slices.Equal(lines, last) {
			last = lines
			if !c.JSON {
				summary := lines[0]
				if r.Left.Total > 0 {
					summary += "; left: " + leftWords(r.Left)
				}
				view.Show(slices.Insert(lines, 0, summary))
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
	switch {
	case err != nil || !expired:
	case r.Left.Total > 0:
		return fmt.Errorf("after %s release %d has not ended; %s left: %s", c.For, c.ID, humane.Count(r.Left.Total, "device"), leftNamed(r.Left))
	default:
		return fmt.Errorf("after %s release %d has not ended: %s", c.For, c.ID, cell(r.Why))
	}
	return err
}
