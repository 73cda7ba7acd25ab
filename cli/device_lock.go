package cli

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/api"
)

type deviceLockCmd struct {
	many
	Version  versionText `arg:"" help:"Version." complete:"firmware"`
	ID       []string    `arg:"" optional:"" name:"id" help:"Device ids." complete:"device"`
	FlashNow bool        `help:"Update devices that are online now, instead of at their next handshake."`
}

// Run locks devices.
func (c *deviceLockCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "lock", Metadata: api.BatchMetadata{Version: new(c.Version.wire()), Flash: c.FlashNow}}
	when := "updating each at its next handshake"
	if c.FlashNow {
		when = "updating those that are online now"
	}
	return c.change(ctx, c.ID, edit, fmt.Sprintf("Lock %%s to version %s, overriding every release and %s?", c.Version, when), fmt.Sprintf("%%s locked to version %s.", c.Version))
}

type deviceUnlockCmd struct {
	many
	ID []string `arg:"" optional:"" name:"id" help:"Device ids." complete:"device"`
}

// Run unlocks devices.
func (c *deviceUnlockCmd) Run(ctx context.Context) error {
	return c.change(ctx, c.ID, api.BatchUpdate{Action: "unlock"}, "Unlock %s, so that they follow releases again?", "%s unlocked.")
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
	return c.change(ctx, c.ID, edit, "Mark %s as development, which stops automatic updates?", "%s marked as development.")
}
