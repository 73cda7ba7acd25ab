package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/humane"
)

type deviceImportCmd struct {
	productRemote
	ID      []string `arg:"" optional:"" name:"id" help:"Device ids."`
	File    string   `help:"Read more ids from this file, one per line; - for standard input." placeholder:"FILE"`
	Group   []string `short:"g" help:"Put the devices into this group, created if missing; repeat for several." placeholder:"GROUP" complete:"group"`
	Gateway string   `help:"Import Bluetooth LE devices attached to this gateway." placeholder:"ID" complete:"device"`
	Secrets string   `help:"Write the secrets to this new file, as lines \"device,secret\", instead of printing them. muster simulate reads it." placeholder:"FILE"`
}

// Run imports devices in batches. It shows what was imported before an error, too: the
// server returns secrets only once.
func (c *deviceImportCmd) Run(ctx context.Context) error {
	ids, err := allIDs(c.ID, c.File)
	if err != nil {
		return err
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	if c.Gateway != "" {
		if _, err := notePromotion(ctx, s, c.Gateway); err != nil {
			return err
		}
	}
	secrets, err := c.secretsFile()
	if err != nil {
		return err
	}
	all, err := c.importAll(ctx, s, ids, secrets)
	if secrets != nil {
		err = errors.Join(err, secrets.Close())
		if err != nil && len(all.Secrets) == 0 {
			_ = os.Remove(secrets.Name()) // an empty file would block the next attempt
		}
		all.Secrets = map[string]string{}
	}
	if err := errors.Join(err, c.show(all, func(t *table) { drawImported(t, all) })); err != nil {
		return err
	}
	if rejected := len(all.Nonmember) + len(all.Invalid); rejected > 0 {
		return fmt.Errorf("%s not imported", humane.Count(rejected, "device"))
	}
	return nil
}

// secretsFile creates the file of --secrets, nil if there is none. It never overwrites a
// file: that could be the only copy of other secrets.
func (c *deviceImportCmd) secretsFile() (*os.File, error) {
	if c.Secrets == "" {
		return nil, nil
	}
	file, err := os.OpenFile(c.Secrets, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: name a new file for --secrets; that one may be the only copy of the secrets in it", err)
	}
	return file, err
}

func (c *deviceImportCmd) importAll(ctx context.Context, s server, ids []string, secrets io.Writer) (api.Imported, error) {
	all := api.Imported{New: []string{}, Existing: []string{}, Nonmember: []string{}, Invalid: []string{}, Protected: []string{}, Secrets: map[string]string{}}
	progress := terminal.NewView(os.Stderr, false)
	defer progress.End()
	for batch := range slices.Chunk(ids, batchSize) {
		got, err := s.Import(ctx, s.product, api.NewDevices{IDs: batch, Groups: c.Group, Gateway: c.Gateway})
		if err != nil {
			return all, err
		}
		all.Updated += got.Updated
		all.New, all.Existing = append(all.New, got.New...), append(all.Existing, got.Existing...)
		all.Nonmember, all.Invalid = append(all.Nonmember, got.Nonmember...), append(all.Invalid, got.Invalid...)
		maps.Copy(all.Secrets, got.Secrets)
		if c.Secrets != "" {
			for _, id := range slices.Sorted(maps.Keys(got.Secrets)) {
				if _, err := fmt.Fprintf(secrets, "%s,%s\n", id, got.Secrets[id]); err != nil {
					return all, err
				}
			}
		}
		if len(ids) > batchSize {
			progress.Show([]string{fmt.Sprintf("%d of %d imported", len(all.New), len(ids))})
		}
	}
	return all, nil
}

func drawImported(t *table, all api.Imported) {
	if len(all.Secrets) > 0 {
		t.row("DEVICE", "SECRET (shown once)")
	}
	for _, id := range slices.Sorted(maps.Keys(all.Secrets)) {
		t.row(id, all.Secrets[id])
	}
	_ = t.flush() // ends the columns; the last flush returns the error
	t.line("%s imported.", humane.Count(all.Updated, "device"))
	for _, other := range []struct {
		ids  []string
		what string
	}{
		{all.Existing, "already imported"},
		{all.Nonmember, "in another product or team"},
		{all.Invalid, "not valid as device ids (1 to 128 of A-Z a-z 0-9 : _ -)"},
	} {
		if len(other.ids) > 0 {
			t.line("%d %s: %s", len(other.ids), other.what, clipIDs(other.ids))
		}
	}
}
