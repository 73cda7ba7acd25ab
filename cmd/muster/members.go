package main

import (
	"context"

	"github.com/muster-iot/muster/api"
)

// members is what adding to a group and removing from it have in common.
type members struct {
	many
	Group  string   `arg:"" help:"Name of the group." complete:"group"`
	Device []string `arg:"" optional:"" help:"Device ids." complete:"device"`
}

type groupAddCmd struct{ members }

// Run puts devices into the group.
func (c *groupAddCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "groups", Metadata: api.BatchMetadata{Add: api.Names{c.Group}}}
	return c.change(ctx, c.Device, edit, "Put %s into "+c.Group+"?", "%s put into "+c.Group+".")
}

type groupRemoveCmd struct{ members }

// Run takes devices out of the group.
func (c *groupRemoveCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "groups", Metadata: api.BatchMetadata{Remove: api.Names{c.Group}}}
	return c.change(ctx, c.Device, edit, "Take %s out of "+c.Group+"? One that is in no group then is seen by everyone in the team.", "%s taken out of "+c.Group+".")
}
