package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/humane"
)

// importBatch is how many devices one request imports.
const importBatch = 1000

type deviceImportCmd struct {
	productRemote
	ID      []string `arg:"" optional:"" name:"id" help:"Device ids."`
	File    string   `help:"And the ids in this file, one a line; - reads standard input." placeholder:"FILE"`
	Group   []string `short:"g" help:"Their groups; a missing one is created." placeholder:"GROUP" complete:"group"`
	Gateway string   `help:"They are Bluetooth LE devices attached to this gateway." placeholder:"ID" complete:"device"`
	Secrets string   `help:"Write the secrets to this new file, lines \"device,secret\", instead of showing them. muster simulate reads it." placeholder:"FILE"`
}

// Run imports devices, a thousand at a time. What was done before an error is shown: its
// secrets are told this once.
func (c *deviceImportCmd) Run(ctx context.Context) error {
	ids, err := c.ids()
	if err != nil {
		return err
	}
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	if c.Gateway != "" {
		if _, err := tellPromotion(ctx, client, c.Gateway); err != nil {
			return err
		}
	}
	keep, err := c.secretsFile()
	if err != nil {
		return err
	}
	all, err := c.importAll(ctx, client, product, ids, keep)
	if keep != nil {
		err = errors.Join(err, keep.Close())
		if err != nil && len(all.Secrets) == 0 {
			_ = os.Remove(keep.Name()) // an empty file would only be in the way of the next try
		}
		all.Secrets = map[string]string{}
	}
	if err := errors.Join(err, c.tell(all)); err != nil {
		return err
	}
	if refused := len(all.Nonmember) + len(all.Invalid); refused > 0 {
		return fmt.Errorf("%s not imported", humane.Count(refused, "device"))
	}
	return nil
}

func (c *deviceImportCmd) ids() ([]string, error) {
	more, err := readIDs(c.File)
	if err != nil {
		return nil, err
	}
	ids := append(slices.Clone(c.ID), more...)
	if len(ids) == 0 {
		return nil, wrongUse("no device: name some, or a file with --file")
	}
	return ids, nil
}

// readIDs reads a file of device ids, one a line, and passes over empty lines; no name,
// no ids.
func readIDs(name string) (ids []string, err error) {
	if name == "" {
		return nil, nil
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
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if id := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")); id != "" {
			ids = append(ids, id)
		}
	}
	return ids, lines.Err()
}

// secretsFile makes the file of --secrets. It never overwrites one: that could be the
// only copy of other secrets.
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

func (c *deviceImportCmd) importAll(ctx context.Context, client *client.Client, product string, ids []string, keep io.Writer) (api.Imported, error) {
	all := api.Imported{New: []string{}, Existing: []string{}, Nonmember: []string{}, Invalid: []string{}, Protected: []string{}, Secrets: map[string]string{}}
	progress := newView(os.Stderr, false)
	defer progress.end()
	for batch := range slices.Chunk(ids, importBatch) {
		got, err := client.Import(ctx, product, api.NewDevices{IDs: batch, Groups: c.Group, Gateway: c.Gateway})
		if err != nil {
			return all, err
		}
		all.Updated += got.Updated
		all.New, all.Existing = append(all.New, got.New...), append(all.Existing, got.Existing...)
		all.Nonmember, all.Invalid = append(all.Nonmember, got.Nonmember...), append(all.Invalid, got.Invalid...)
		maps.Copy(all.Secrets, got.Secrets)
		if c.Secrets != "" {
			for _, id := range slices.Sorted(maps.Keys(got.Secrets)) {
				if _, err := fmt.Fprintf(keep, "%s,%s\n", id, got.Secrets[id]); err != nil {
					return all, err
				}
			}
		}
		if len(ids) > importBatch {
			progress.show([]string{fmt.Sprintf("%d of %d imported", len(all.New), len(ids))})
		}
	}
	return all, nil
}

func (c *deviceImportCmd) tell(all api.Imported) error {
	return c.show(all, func(t *table) {
		if len(all.Secrets) > 0 {
			t.row("DEVICE", "SECRET (shown this once)")
		}
		for _, id := range slices.Sorted(maps.Keys(all.Secrets)) {
			t.row(id, all.Secrets[id])
		}
		_ = t.flush() // the columns end here; the last flush tells of errors
		t.line("%s imported.", humane.Count(all.Updated, "device"))
		for _, other := range []struct {
			ids  []string
			what string
		}{
			{all.Existing, "here already"},
			{all.Nonmember, "of another product or team"},
			{all.Invalid, "no device id (1 to 128 of A-Z a-z 0-9 : _ -)"},
		} {
			if len(other.ids) > 0 {
				t.line("%d %s: %s", len(other.ids), other.what, clip(strings.Join(other.ids, " "), 200))
			}
		}
	})
}
