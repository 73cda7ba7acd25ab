package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type deviceImportCmd struct {
	productRemote
	ID      []string `arg:"" optional:"" name:"id" help:"Device ids."`
	File    string   `help:"Read devices from this file, - for standard input: one id per line, or CSV with a heading (id, name, groups, notes, secret, secret_sha256, product)." placeholder:"FILE"`
	Group   []string `short:"g" help:"Put the devices into this group, created if missing; repeat for several." placeholder:"GROUP" complete:"group"`
	Gateway string   `help:"Import Bluetooth LE devices attached to this gateway." placeholder:"ID" complete:"device"`
	Secrets string   `help:"Write the secrets to this new file, as lines \"device,secret\", instead of printing them. muster simulate reads it." placeholder:"FILE"`
	DryRun  bool     `help:"Show what would be imported and exit."`
}

// Run imports devices in batches. It shows what was imported before an error, too: the
// server returns secrets only once.
func (c *deviceImportCmd) Run(ctx context.Context) error {
	devices, err := c.devices()
	if err != nil {
		return err
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.preview(ctx, s, devices)
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
	all, err := c.importAll(ctx, s, devices, secrets)
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

// devices returns the devices given, and those of the file. A list of ids may have invalid ones,
// which the server answers for; a file with a heading may not.
func (c *deviceImportCmd) devices() ([]api.NewDevice, error) {
	file, err := readDevices(c.File)
	if err != nil {
		return nil, err
	}
	if err := file.Err(); err != nil && file.Columns != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	if len(file.Ignored) > 0 {
		note("These columns are ignored: %s", strings.Join(file.Ignored, ", "))
	}
	var devices []api.NewDevice
	for _, id := range c.ID {
		devices = append(devices, api.NewDevice{ID: id})
	}
	for _, d := range file.Devices() {
		one := api.NewDevice{ID: d.ID, Name: d.Name, Notes: d.Notes, Groups: d.Groups, Product: d.Product}
		if d.Secret != (fleet.Secret{}) {
			one.Hash = hex.EncodeToString(d.Secret[:])
		}
		devices = append(devices, one)
	}
	if len(devices) == 0 {
		return nil, Misuse("which devices? Give ids, or a file with --file")
	}
	return devices, nil
}

// preview shows what an import would do.
func (c *deviceImportCmd) preview(ctx context.Context, s server, devices []api.NewDevice) error {
	all, versions := noneImported(), map[string]int{}
	for batch := range slices.Chunk(devices, batchSize) {
		got, err := s.PreviewImport(ctx, s.product, api.NewDevices{Devices: batch, Groups: c.Group, Gateway: c.Gateway})
		if err != nil {
			return err
		}
		addImported(&all, got)
		for _, name := range got.NewGroups {
			if !slices.Contains(all.NewGroups, name) {
				all.NewGroups = append(all.NewGroups, name)
			}
		}
		for _, row := range got.ByVersion {
			if versions[row.Version.String()] == 0 {
				all.ByVersion = append(all.ByVersion, row)
			}
			versions[row.Version.String()] += row.Total
		}
	}
	for i, row := range all.ByVersion {
		all.ByVersion[i].Total = versions[row.Version.String()]
	}
	return c.show(all, func(t *table) {
		t.line("%s would be imported.", humane.Count(all.Updated, "device"))
		for _, row := range all.ByVersion {
			t.line("%s would receive version %s at the first handshake.", humane.Count(row.Total, "device"), row.Version)
		}
		if len(all.NewGroups) > 0 {
			t.line("New groups: %s", strings.Join(all.NewGroups, ", "))
		}
		drawOthers(t, all)
	})
}

func noneImported() api.Imported {
	return api.Imported{New: []string{}, Existing: []string{}, Nonmember: []string{}, Invalid: []string{}, Protected: []string{}, Secrets: map[string]string{}, Users: map[string]string{}}
}

// addImported adds the outcome of a batch.
func addImported(all *api.Imported, got api.Imported) {
	all.Updated += got.Updated
	all.New, all.Existing = append(all.New, got.New...), append(all.Existing, got.Existing...)
	all.Nonmember, all.Invalid = append(all.Nonmember, got.Nonmember...), append(all.Invalid, got.Invalid...)
	maps.Copy(all.Secrets, got.Secrets)
	maps.Copy(all.Users, got.Users)
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

func (c *deviceImportCmd) importAll(ctx context.Context, s server, devices []api.NewDevice, secrets io.Writer) (api.Imported, error) {
	all := noneImported()
	progress := terminal.NewView(os.Stderr, false)
	defer progress.End()
	for batch := range slices.Chunk(devices, batchSize) {
		got, err := s.Import(ctx, s.product, api.NewDevices{Devices: batch, Groups: c.Group, Gateway: c.Gateway})
		if err != nil {
			return all, err
		}
		addImported(&all, got)
		if c.Secrets != "" {
			for _, id := range slices.Sorted(maps.Keys(got.Secrets)) {
				line := id + "," + got.Secrets[id]
				if user := got.Users[id]; user != "" {
					line += ",," + user // as muster simulate reads it
				}
				if _, err := fmt.Fprintln(secrets, line); err != nil {
					return all, err
				}
			}
		}
		if len(devices) > batchSize {
			progress.Show([]string{fmt.Sprintf("%d of %d imported", len(all.New), len(devices))})
		}
	}
	return all, nil
}

func drawImported(t *table, all api.Imported) {
	if len(all.Secrets) > 0 {
		t.row("DEVICE", "SECRET (shown only once: copy it now)")
	}
	for _, id := range slices.Sorted(maps.Keys(all.Secrets)) {
		t.row(id, all.Secrets[id])
	}
	_ = t.flush() // ends the columns; the last flush returns the error
	t.line("%s imported.", humane.Count(all.Updated, "device"))
	for _, id := range slices.Sorted(maps.Keys(all.Users)) {
		t.line("%s needs the user name %s: four older devices of other teams have its id.", id, all.Users[id])
	}
	drawOthers(t, all)
}

// drawOthers shows the devices that are not new.
func drawOthers(t *table, all api.Imported) {
	for _, other := range []struct {
		ids  []string
		what string
	}{
		{all.Existing, "already imported"},
		{all.Nonmember, "in another product"},
		{all.Invalid, "not valid as device ids (1 to 128 of A-Z a-z 0-9 : _ -)"},
	} {
		if len(other.ids) > 0 {
			t.line("%d %s: %s", len(other.ids), other.what, clipIDs(other.ids))
		}
	}
}
