package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// changeBatch is how many devices one request changes.
const changeBatch = 1000

// many is embedded in verbs that change many devices of a product in the same way.
type many struct {
	productRemote
	agree
	File string `help:"And the ids in this file, one a line; - reads standard input." placeholder:"FILE"`

	// What the verb says of single devices; nil: it looks at none.
	single *single
}

// single is how a change meets devices that are as it makes them already.
type single struct {
	same  func(api.Device) bool
	words string // of those: "3 devices <words>: ..."
	now   string // what holds of all afterwards, where there are too many to look at each; %s is how many
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
	kept, err := c.kept(ctx, client, ids)
	if err != nil {
		return err
	}
	count := humane.Count(len(ids)-kept, "device")
	if kept == len(ids) {
		return c.done("%s", strings.Replace(done, "%s", count, 1))
	}
	if c.single != nil && len(ids) > maxLookedAt {
		done = c.single.now
	}
	tellImpact(impact)
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

// maxLookedAt is how many devices are looked at, a request each, before they are changed.
const maxLookedAt = 100

// kept counts the devices that are as the change makes them already, and names them. Of
// more than maxLookedAt none are counted.
func (c *many) kept(ctx context.Context, client *client.Client, ids []string) (int, error) {
	if c.single == nil || len(ids) > maxLookedAt {
		return 0, nil
	}
	var same []string
	for _, id := range ids {
		d, err := client.Device(ctx, id)
		if err != nil {
			return 0, err
		}
		if c.single.same(d) {
			same = append(same, id)
		}
	}
	if len(same) > 0 {
		note("%s %s: %s", humane.Count(len(same), "device"), c.single.words, clip(strings.Join(same, " "), 200))
	}
	return len(same), nil
}
