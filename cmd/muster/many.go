package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
)

// changeBatch is how many devices one request changes.
const changeBatch = 1000

// many is embedded in verbs that change many devices of a product in the same way.
type many struct {
	productRemote
	agree
	File string `help:"And the ids in this file, one a line; - reads standard input." placeholder:"FILE"`
}

// change shows the impact of edit on ids and those of --file, asks, and does it, a thousand
// at a time. In question and done, the first %s is how many devices.
func (c *many) change(ctx context.Context, ids []string, edit api.BatchUpdate, question, done string) error {
	more, err := readIDs(c.File)
	if err != nil {
		return err
	}
	ids = append(slices.Clone(ids), more...)
	if len(ids) == 0 {
		return wrongUse("no device: name some, or a file with --file")
	}
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	var impact api.Impact
	for edit.Devices = range slices.Chunk(ids, changeBatch) {
		one, err := client.PreviewDevices(ctx, product, edit)
		if err != nil {
			return err
		}
		sum(&impact, one)
	}
	tellImpact(impact)
	count := plural(len(ids), "device")
	if err := c.confirm(ctx, "%s", strings.Replace(question, "%s", count, 1)); err != nil {
		return err
	}
	progress := newView(os.Stderr, false)
	defer progress.end()
	changed := 0
	for edit.Devices = range slices.Chunk(ids, changeBatch) {
		if err := client.UpdateDevices(ctx, product, edit); err != nil {
			return fmt.Errorf("after %d of %d devices: %w", changed, len(ids), err)
		}
		if changed += len(edit.Devices); len(ids) > changeBatch {
			progress.show([]string{fmt.Sprintf("%d of %d devices", changed, len(ids))})
		}
	}
	return c.done("%s", strings.Replace(done, "%s", count, 1))
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
