package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/devicefile"
	"github.com/muster-iot/muster/humane"
)

// batchSize is how many devices one request changes or imports. More are changed by a job.
const batchSize = 1000

// many is embedded in verbs that make the same change to many devices of a product.
type many struct {
	productRemote
	agree
	File   string `help:"Read more ids from this file, one per line; - for standard input." placeholder:"FILE"`
	Filter string `help:"All devices that this saved filter selects, by a job." placeholder:"NAME" complete:"filter"`

	same *same // nil if the verb treats all devices as different from its change
}

// same describes devices that already are as a change would make them.
type same struct {
	is    func(api.Device) bool
	words string // "3 devices <words>: ..."
	now   string // confirmation for batches too large to look at each device; %s is how many
}

// change shows the impact of edit on ids and those of --file, or on what --filter selects, asks, and
// makes the change: up to batchSize devices in one request, more by jobs. The first %s of question
// and done is how many devices.
func (c *many) change(ctx context.Context, ids []string, edit api.BatchUpdate, question, done string) error {
	ids, err := c.selected(ids)
	if err != nil {
		return err
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	if c.Filter != "" || len(ids) > batchSize {
		if c.same != nil {
			done = c.same.now
		}
		return changeByJobs(ctx, c.remote, c.agree, s, newJobs(edit, ids, c.Filter), question, done)
	}
	edit.Devices = ids
	impact, err := s.PreviewDevices(ctx, s.product, edit)
	if err != nil {
		return err
	}
	unchanged, err := c.noteUnchanged(ctx, s, ids)
	if err != nil {
		return err
	}
	count := humane.Count(len(ids)-unchanged, "device")
	if unchanged == len(ids) {
		return c.done(nil, "%s", strings.Replace(done, "%s", count, 1))
	}
	if c.same != nil && len(ids) > maxLookedAt {
		done = c.same.now
	}
	noteImpact(readImpact(impact))
	if err := c.confirm(ctx, "%s", strings.Replace(question, "%s", count, 1)); err != nil {
		return err
	}
	return c.done(s.UpdateDevices(ctx, s.product, edit), "%s", strings.Replace(done, "%s", count, 1))
}

// selected returns the ids given and those in --file; none with --filter.
func (c *many) selected(given []string) ([]string, error) {
	if c.Filter == "" {
		return allIDs(given, c.File)
	}
	if len(given) > 0 || c.File != "" {
		return nil, Misuse("which devices? Give ids, a file with --file, or --filter")
	}
	return nil, nil
}

// maxLookedAt bounds the requests made before a change, one per device.
const maxLookedAt = 100

// noteUnchanged counts and prints the devices that the change would leave as they are. It
// looks at none if there are more than maxLookedAt.
func (c *many) noteUnchanged(ctx context.Context, s server, ids []string) (int, error) {
	if c.same == nil || len(ids) > maxLookedAt {
		return 0, nil
	}
	var unchanged []string
	for _, id := range ids {
		d, err := s.Device(ctx, id)
		if err != nil {
			return 0, err
		}
		if c.same.is(d) {
			unchanged = append(unchanged, id)
		}
	}
	if len(unchanged) > 0 {
		note("%s %s: %s", humane.Count(len(unchanged), "device"), c.same.words, clipIDs(unchanged))
	}
	return len(unchanged), nil
}

// allIDs adds the ids in a file to those given. Having none at all is misuse.
func allIDs(given []string, file string) ([]string, error) {
	read, err := readDevices(file)
	if err != nil {
		return nil, err
	}
	ids := slices.Clone(given)
	for _, row := range read.Rows {
		ids = append(ids, row.Device.ID)
	}
	if len(ids) == 0 {
		return nil, Misuse("which devices? Give ids, or a file with --file")
	}
	return ids, nil
}

// readDevices reads a file of devices, - for standard input. Without a name there are none.
func readDevices(name string) (*devicefile.File, error) {
	if name == "" {
		return &devicefile.File{}, nil
	}
	var file io.Reader = os.Stdin
	if name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		file = opened
	}
	data, err := io.ReadAll(io.LimitReader(file, devicefile.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	read, err := devicefile.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return read, nil
}
