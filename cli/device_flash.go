package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/muster-iot/muster/api"
)

type deviceFlashCmd struct {
	remote
	agree
	ID      string      `arg:"" help:"Device id; the device must be online." complete:"device"`
	Version versionText `arg:"" help:"Version to send." complete:"firmware"`
}

// Run sends one version once, after showing what happens to the device afterwards.
func (c *deviceFlashCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	d, err := s.Device(ctx, c.ID)
	if err != nil {
		return err
	}
	if d.Running.Equal(c.Version.Version) {
		return c.done(nil, "%s already runs version %s: nothing was sent.", c.ID, c.Version)
	}
	s.product = strconv.FormatUint(uint64(d.ProductID), 10)
	if _, _, err := findFirmware(ctx, s, c.Version); err != nil {
		return err
	}
	if d.Online { // the server's error explains what to do about an offline device
		note("Impact: %s gets version %s in place of %s. %s", c.ID, c.Version, cell(d.Running), c.afterwards(d))
		if err := c.confirm(ctx, "Send version %s to %s now?", c.Version, c.ID); err != nil {
			return err
		}
	}
	return c.done(s.Flash(ctx, c.ID, c.Version.wire()), "Version %s is on its way to %s. See: muster device updates %s", c.Version, c.ID, c.ID)
}

// afterwards returns which version d ends up with: a flash sets no lock, and d's next
// handshake is evaluated as usual.
func (c *deviceFlashCmd) afterwards(d api.Device) string {
	switch {
	case d.Development:
		return "It is a development device, so it keeps that version."
	case d.Target.IsZero():
		return "No release applies to it, so it keeps that version until one does."
	case d.Target.Equal(c.Version.Version):
		return "That is what it should run, because of: " + d.TargetReason + "."
	}
	back := fmt.Sprintf("It then returns to version %s, because of: %s.", d.Target, d.TargetReason)
	return back + fmt.Sprintf(" To keep it on %s: muster device lock %s %s --flash-now", c.Version, c.Version, c.ID)
}
