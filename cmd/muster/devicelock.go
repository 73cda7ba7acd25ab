package main

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/api"
)

type deviceLockCmd struct {
	many
	Version  versionText `arg:"" help:"Version." complete:"firmware"`
	ID       []string    `arg:"" optional:"" name:"id" help:"Device ids." complete:"device"`
	FlashNow bool        `help:"At once, where they are online, and not at their next handshake."`
}

// Run locks devices.
func (c *deviceLockCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "lock", Metadata: api.BatchMetadata{Version: new(c.Version.wire()), Flash: c.FlashNow}}
	when := "at its next handshake"
	if c.FlashNow {
		when = "at once where it is online"
	}
	return c.change(ctx, c.ID, edit, fmt.Sprintf("Lock %%s to version %s, above every release, each %s?", c.Version, when), fmt.Sprintf("%%s locked to version %s.", c.Version))
}

type deviceUnlockCmd struct {
	many
	ID []string `arg:"" optional:"" name:"id" help:"Device ids." complete:"device"`
}

// Run unlocks devices.
func (c *deviceUnlockCmd) Run(ctx context.Context) error {
	return c.change(ctx, c.ID, api.BatchUpdate{Action: "unlock"}, "Unlock %s, so that releases decide again?", "%s unlocked.")
}

type deviceDevelopmentCmd struct {
	many
	ID  []string `arg:"" optional:"" name:"id" help:"Device ids." complete:"device"`
	Off bool     `help:"Make them ordinary devices again."`
}

// Run marks development devices.
func (c *deviceDevelopmentCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "development", Metadata: api.BatchMetadata{Development: new(!c.Off)}}
	if c.Off {
		return c.change(ctx, c.ID, edit, "Make %s ordinary again?", "%s made ordinary.")
	}
	return c.change(ctx, c.ID, edit, "Mark %s as development, never to be updated automatically?", "%s marked as development.")
}
