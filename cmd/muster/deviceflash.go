package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/muster-iot/muster/api"
)

type deviceFlashCmd struct {
	remote
	agree
	ID      string      `arg:"" help:"Device id; it must be online." complete:"device"`
	Version versionText `arg:"" help:"Version to send." complete:"firmware"`
}

// Run sends one version once, after saying what becomes of the device then.
func (c *deviceFlashCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	d, err := client.Device(ctx, c.ID)
	if err != nil {
		return err
	}
	if d.Running.Equal(c.Version.Version) {
		return c.done("%s runs version %s already: nothing was sent.", c.ID, c.Version)
	}
	if _, _, err := findFirmware(ctx, client, strconv.FormatUint(uint64(d.ProductID), 10), c.Version); err != nil {
		return err
	}
	if d.Online { // else the server says what to do
		note("Impact: %s gets version %s in the place of %s. %s", c.ID, c.Version, cell(d.Running), c.afterwards(d))
		if err := c.confirm(ctx, "Send version %s to %s at once?", c.Version, c.ID); err != nil {
			return err
		}
	}
	if err := client.Flash(ctx, c.ID, c.Version.wire()); err != nil {
		return err
	}
	return c.done("Version %s is on its way to %s. See: muster device updates %s", c.Version, c.ID, c.ID)
}

// afterwards is what the rules make of d once it runs what it was sent: a flash sets no
// lock, and its next handshake is decided like any other.
func (c *deviceFlashCmd) afterwards(d api.Device) string {
	switch {
	case d.Development:
		return "It is a development device: it keeps that."
	case d.Target.IsZero():
		return "No release decides about it: it keeps that until one does."
	case d.Target.Equal(c.Version.Version):
		return "That is what it should run, because of: " + d.TargetReason + "."
	}
	back := fmt.Sprintf("Then it goes back to version %s by itself, because of: %s.", d.Target, d.TargetReason)
	return back + fmt.Sprintf(" To keep it on %s: muster device lock %s %s --flash-now", c.Version, c.Version, c.ID)
}
