package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type firmwareCmd struct {
	List      firmwareListCmd      `cmd:"" help:"List a product's firmware, where each version is released, and how many devices run it." example:"muster firmware list"`
	Upload    firmwareUploadCmd    `cmd:"" help:"Upload an image as a new version." example:"muster firmware upload build/lamp.bin --version 7 --title \"Softer dimming\""`
	Get       firmwareGetCmd       `cmd:"" help:"Show one version." example:"muster firmware get 7"`
	Download  firmwareDownloadCmd  `cmd:"" help:"Download an image and verify it." example:"muster firmware download 7 --out lamp-7.bin"`
	Edit      firmwareEditCmd      `cmd:"" help:"Change a version's title and description, and which devices can take it." example:"muster firmware edit 7 --title \"Softer dimming\""`
	Delete    firmwareDeleteCmd    `cmd:"" help:"Delete a version that was never released." example:"muster firmware delete 7"`
	Release   firmwareReleaseCmd   `cmd:"" help:"Release a version to groups or as the product default; shows the impact and asks." example:"muster firmware release 7 --group prerelease"`
	Progress  firmwareProgressCmd  `cmd:"" help:"Show the progress of a version's release." example:"muster firmware progress 7"`
	Unrelease firmwareUnreleaseCmd `cmd:"" help:"Withdraw a version from groups, as the default, or everywhere; shows the impact and asks." example:"muster firmware unrelease 7 --group prerelease"`
}

type firmwareListCmd struct{ productRemote }

// Run lists firmware.
func (c *firmwareListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Firmware, error) { return s.Firmware(ctx, s.product) }, func(t *table, all []api.Firmware) {
		t.hint(len(all), "No firmware yet. Upload some with: muster firmware upload FILE --version 1")
		t.row("VERSION", "RELEASED TO", "DEVICES", "SIZE", "IMAGE", "UPLOADED", "BY", "TITLE")
		for _, f := range all {
			t.row(f.Version, places(f), f.Devices, humane.Size(f.Size), imageText(f), f.Uploaded, f.By.Username, f.Title)
		}
	})
}

// imageText is what the image of f is and is for, with its version where f has another.
func imageText(f api.Firmware) string {
	if f.Metadata == nil {
		return ""
	}
	text := f.Metadata.Format
	if f.Metadata.Hardware != "" {
		text += " for " + f.Metadata.Hardware
	}
	if f.Forced {
		text += ", states " + f.Metadata.Version
	}
	return text
}

// places lists where a firmware is released.
func places(f api.Firmware) []string {
	var all []string
	if f.Default {
		all = append(all, "all (default)")
	}
	return append(all, f.Groups...)
}

type firmwareGetCmd struct {
	productRemote
	Version versionText `arg:"" help:"Version." complete:"firmware"`
}

// Run shows a firmware.
func (c *firmwareGetCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Firmware, error) {
		f, _, err := findFirmware(ctx, s, c.Version)
		return f, err
	}, drawFirmware)
}

// findFirmware returns one version and the tag that a release based on it needs.
func findFirmware(ctx context.Context, s server, v versionText) (f api.Firmware, tag string, err error) {
	f, tag, err = s.OneFirmware(ctx, s.product, v.wire())
	if !errors.Is(err, fleet.NotFound) {
		return f, tag, err
	}
	if _, productErr := s.Product(ctx, s.product); productErr != nil {
		return f, tag, productErr // it is the product that is missing
	}
	return f, tag, fmt.Errorf("%w; muster firmware list shows all versions", err)
}

func drawFirmware(t *table, f api.Firmware) {
	t.row("version", f.Version)
	t.row("title", f.Title)
	t.row("description", f.Description)
	if f.Notes != "" {
		t.row("notes", f.Notes)
	}
	t.row("file", f.Name)
	t.row("size", fmt.Sprintf("%d bytes", f.Size))
	t.row("sha256", f.SHA256)
	t.row("released to", places(f))
	t.row("devices running it", f.Devices)
	t.row("uploaded", f.Uploaded)
	t.row("by", f.By.Username)
	drawConditions(t, f)
	if f.Metadata != nil {
		drawMetadata(t, *f.Metadata)
	}
}

// drawConditions shows which devices can take f, where not all can.
func drawConditions(t *table, f api.Firmware) {
	if len(f.Hardware) > 0 {
		t.row("for hardware", f.Hardware)
	}
	if f.Requires != "" {
		t.row("installs over", f.Requires)
	}
	if f.Floor > 0 {
		t.row("floor", f.Floor)
	}
}

// drawMetadata shows what an image states.
func drawMetadata(t *table, m api.Metadata) {
	counter := ""
	if m.Counter > 0 {
		counter = fmt.Sprint(m.Counter)
	}
	for _, row := range [][2]string{
		{"image format", m.Format}, {"image version", m.Version}, {"project", m.Project}, {"hardware", m.Hardware}, {"min revision", m.MinRevision},
		{"depends on", m.Depends}, {"security counter", counter}, {"built", m.Built}, {"sdk", m.SDK},
	} {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	t.row("signed", m.Signed)
	if m.Encrypted {
		t.row("encrypted", m.Encrypted)
	}
}

type firmwareEditCmd struct {
	productRemote
	Version     versionText `arg:"" help:"Version." complete:"firmware"`
	Title       *string     `help:"New title." placeholder:"TEXT"`
	Description *string     `help:"New description." placeholder:"TEXT"`
	Notes       *string     `help:"New release notes." placeholder:"TEXT"`
	Hardware    *string     `help:"Hardware revisions the image is for, separated by commas; '' is all." placeholder:"REVISIONS"`
	Requires    *string     `help:"Versions it can be installed over, such as '>=1.4.0 <2.0.0'; '' is all." placeholder:"RANGE"`
}

// Run changes a firmware's texts and conditions.
func (c *firmwareEditCmd) Run(ctx context.Context) error {
	if c.Title == nil && c.Description == nil && c.Notes == nil && c.Hardware == nil && c.Requires == nil {
		return Misuse("nothing to change: give --title, --description, --notes, --hardware or --requires")
	}
	fields := api.FirmwareFields{Title: c.Title, Description: c.Description, Notes: c.Notes, Requires: c.Requires}
	if c.Hardware != nil {
		fields.Hardware = new(api.SplitNames(*c.Hardware))
	}
	return ask(ctx, c, func(s server) (api.Firmware, error) {
		return s.EditFirmware(ctx, s.product, c.Version.wire(), fields)
	}, drawFirmware)
}

type firmwareProgressCmd struct {
	productRemote
	Version versionText `arg:"" help:"Version." complete:"firmware"`
}

// progressState is how far a version has come, and for whom it waits.
type progressState struct {
	api.Progress
	Left api.Remaining `json:"left"` // devices whose target it is and that don't run it yet
}

// Run shows how many devices run a version of those that should, and why the others don't.
func (c *firmwareProgressCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (p progressState, err error) {
		if p.Progress, err = s.Progress(ctx, s.product, c.Version.wire()); err != nil {
			return p, err
		}
		p.Left, err = s.Remaining(ctx, s.product, api.RemainingFilter{Version: c.Version.String()})
		return p, err
	}, func(t *table, p progressState) {
		t.line("Version %s: %s should run it, %d do.", p.Version, humane.Count(p.Devices, "device"), p.Running)
		for _, line := range leftLines(p.Left, " --version "+p.Version.String()) {
			t.line("%s", line)
		}
	})
}

type firmwareDeleteCmd struct {
	productRemote
	agree
	Version versionText `arg:"" help:"Version." complete:"firmware"`
}

// Run deletes a firmware.
func (c *firmwareDeleteCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, _, err := findFirmware(ctx, s, c.Version)
	if err != nil {
		return err
	}
	if f.Released {
		return fmt.Errorf("version %s was released and can't be deleted", f.Version)
	}
	if f.Devices > 0 {
		note("%s report running it and keep it.", humane.Count(f.Devices, "device"))
	}
	if err := c.confirm(ctx, "Delete firmware %s, %s?", c.Version, humane.Size(f.Size)); err != nil {
		return err
	}
	return c.done(s.DeleteFirmware(ctx, s.product, c.Version.wire()), "Deleted firmware %s.", c.Version)
}
