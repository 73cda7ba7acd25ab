package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
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
	var impact fleet.Impact
	for edit.Devices = range slices.Chunk(ids, changeBatch) {
		one, err := client.PreviewDevices(ctx, product, edit)
		if err != nil {
			return err
		}
		impact.Add(readImpact(one))
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
