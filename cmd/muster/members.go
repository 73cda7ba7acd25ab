package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/muster-iot/muster/api"
)

// membersBatch is how many devices one request moves.
const membersBatch = 1000

// members is what adding to a group and removing from it have in common.
type members struct {
	productRemote
	agree
	Group  string   `arg:"" help:"Name of the group." complete:"group"`
	Device []string `arg:"" optional:"" help:"Device ids." complete:"device"`
	File   string   `help:"And the ids in this file, one a line; - reads standard input." placeholder:"FILE"`
}

type groupAddCmd struct{ members }

// Run puts devices into the group.
func (c *groupAddCmd) Run(ctx context.Context) error {
	return c.move(ctx, []string{c.Group}, nil, "Put %s into %s?", "%s put into %s.")
}

type groupRemoveCmd struct{ members }

// Run takes devices out of the group.
func (c *groupRemoveCmd) Run(ctx context.Context) error {
	return c.move(ctx, nil, []string{c.Group}, "Take %s out of %s? One that is in no group then is seen by everyone in the team.", "%s taken out of %s.")
}

// move shows the impact, asks, and edits the groups of all devices, a thousand at a
// time.
func (c *members) move(ctx context.Context, add, remove []string, question, done string) error {
	more, err := readIDs(c.File)
	if err != nil {
		return err
	}
	ids := append(slices.Clone(c.Device), more...)
	if len(ids) == 0 {
		return wrongUse("no device: name some, or a file with --file")
	}
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	var impact api.Impact
	for batch := range slices.Chunk(ids, membersBatch) {
		one, err := client.PreviewGroups(ctx, product, batch, add, remove)
		if err != nil {
			return err
		}
		sum(&impact, one)
	}
	tellImpact(impact)
	if err := c.confirm(ctx, question, plural(len(ids), "device"), c.Group); err != nil {
		return err
	}
	progress := newView(os.Stderr, false)
	defer progress.end()
	moved := 0
	for batch := range slices.Chunk(ids, membersBatch) {
		if err := client.EditGroups(ctx, product, batch, add, remove); err != nil {
			return fmt.Errorf("after %d of %d devices: %w", moved, len(ids), err)
		}
		if moved += len(batch); len(ids) > membersBatch {
			progress.show([]string{fmt.Sprintf("%d of %d devices", moved, len(ids))})
		}
	}
	return c.done(done, plural(len(ids), "device"), c.Group)
}

// sum adds the impact of one more batch.
func sum(all *api.Impact, one api.Impact) {
	all.Devices.Of += one.Devices.Of
	all.Devices.Update.Total += one.Devices.Update.Total
	for _, row := range one.Devices.Update.ByVersion {
		i := slices.IndexFunc(all.Devices.Update.ByVersion, func(v api.VersionCount) bool { return v.Version.Equal(row.Version.Version) })
		if i < 0 {
			all.Devices.Update.ByVersion = append(all.Devices.Update.ByVersion, row)
			continue
		}
		all.Devices.Update.ByVersion[i].Total += row.Total
	}
	for _, row := range one.Devices.Blocked {
		i := slices.IndexFunc(all.Devices.Blocked, func(r api.ReasonCount) bool { return r.Reason == row.Reason })
		if i < 0 {
			all.Devices.Blocked = append(all.Devices.Blocked, row)
			continue
		}
		all.Devices.Blocked[i].Total += row.Total
	}
}
