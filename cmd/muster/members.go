package main

import (
	"context"
	"slices"

	"github.com/muster-iot/muster/api"
)

// members is what adding to a group and removing from it have in common.
type members struct {
	many
	Group  string   `arg:"" help:"Name of the group." complete:"group"`
	Device []string `arg:"" optional:"" help:"Device ids." complete:"device"`
}

func (c *members) has(d api.Device) bool { return slices.Contains(d.Groups, c.Group) }

type groupAddCmd struct{ members }

// Run puts devices into the group.
func (c *groupAddCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "groups", Metadata: api.BatchMetadata{Add: api.Names{c.Group}}}
	c.single = &single{same: c.has, words: "in " + c.Group + " already", now: "%s are in " + c.Group + " now."}
	return c.change(ctx, c.Device, edit, "Put %s into "+c.Group+"?", "%s put into "+c.Group+".")
}

type groupRemoveCmd struct{ members }

// Run takes devices out of the group.
func (c *groupRemoveCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "groups", Metadata: api.BatchMetadata{Remove: api.Names{c.Group}}}
	c.single = &single{same: func(d api.Device) bool { return !c.has(d) }, words: "not in " + c.Group, now: "%s are not in " + c.Group + " now."}
	return c.change(ctx, c.Device, edit, "Take %s out of "+c.Group+"? One that is in no group then is seen by everyone in the team.", "%s taken out of "+c.Group+".")
}
