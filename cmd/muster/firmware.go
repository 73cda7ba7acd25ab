package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type firmwareCmd struct {
	List      firmwareListCmd      `cmd:"" help:"List a product's firmware, where it is released, and how many devices run it." example:"muster firmware list"`
	Upload    firmwareUploadCmd    `cmd:"" help:"Upload an image as a new version." example:"muster firmware upload build/lamp.bin --version 7 --title \"Softer dimming\""`
	Get       firmwareGetCmd       `cmd:"" help:"Show one firmware." example:"muster firmware get 7"`
	Download  firmwareDownloadCmd  `cmd:"" help:"Fetch an image and check it." example:"muster firmware download 7 --out lamp-7.bin"`
	Edit      firmwareEditCmd      `cmd:"" help:"Change title and description of a firmware." example:"muster firmware edit 7 --title \"Softer dimming\""`
	Delete    firmwareDeleteCmd    `cmd:"" help:"Delete a firmware that was never released." example:"muster firmware delete 7"`
	Release   firmwareReleaseCmd   `cmd:"" help:"Release a version to groups, or as the product default; shows the impact and asks." example:"muster firmware release 7 --group prerelease"`
	Progress  firmwareProgressCmd  `cmd:"" help:"Show how far the release of a version has come." example:"muster firmware progress 7"`
	Unrelease firmwareUnreleaseCmd `cmd:"" help:"Take a version back from groups, from being the default, or from everywhere; shows the impact and asks." example:"muster firmware unrelease 7 --group prerelease"`
}

type firmwareListCmd struct {
	productRemote
}

// Run lists firmware.
func (c *firmwareListCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	all, err := client.Firmware(ctx, product)
	if err != nil {
		return err
	}
	c.hint(len(all), "No firmware yet: muster firmware upload FILE --version 1")
	return c.show(all, func(t *table) {
		t.row("VERSION", "RELEASED TO", "DEVICES", "SIZE", "UPLOADED", "BY", "TITLE")
		for _, f := range all {
			t.row(f.Version, places(f), f.Devices, humane.Size(f.Size), f.Uploaded, f.By.Username, f.Title)
		}
	})
}

// places are where a firmware is released.
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

// Run shows one.
func (c *firmwareGetCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, _, err := findFirmware(ctx, client, product, c.Version)
	if err != nil {
		return err
	}
	return c.show(f, func(t *table) { drawFirmware(t, f) })
}

// findFirmware is one version, with the tag that a release of it depends on.
func findFirmware(ctx context.Context, client *client.Client, product string, v versionText) (f api.Firmware, tag string, err error) {
	f, tag, err = client.OneFirmware(ctx, product, v.wire())
	if !errors.Is(err, fleet.NotFound) {
		return f, tag, err
	}
	if _, productErr := client.Product(ctx, product); productErr != nil {
		return f, tag, productErr // the path names two things, and it is the product that is missing
	}
	return f, tag, fmt.Errorf("%w; muster firmware list shows what there is", err)
}

func drawFirmware(t *table, f api.Firmware) {
	t.row("version", f.Version)
	t.row("title", f.Title)
	t.row("description", f.Description)
	t.row("file", f.Name)
	t.row("size", fmt.Sprintf("%d bytes", f.Size))
	t.row("sha256", f.SHA256)
	t.row("released to", places(f))
	t.row("devices that run it", f.Devices)
	t.row("uploaded", f.Uploaded)
	t.row("by", f.By.Username)
}

type firmwareEditCmd struct {
	productRemote
	Version     versionText `arg:"" help:"Version." complete:"firmware"`
	Title       *string     `help:"A few words." placeholder:"TEXT"`
	Description *string     `help:"What changed." placeholder:"TEXT"`
}

// Run changes the texts of one.
func (c *firmwareEditCmd) Run(ctx context.Context) error {
	if c.Title == nil && c.Description == nil {
		return wrongUse("nothing to change: give --title or --description")
	}
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, err := client.EditFirmware(ctx, product, c.Version.wire(), api.FirmwareFields{Title: c.Title, Description: c.Description})
	if err != nil {
		return err
	}
	return c.show(f, func(t *table) { drawFirmware(t, f) })
}

type firmwareProgressCmd struct {
	productRemote
	Version versionText `arg:"" help:"Version." complete:"firmware"`
}

// Run shows how far the release of one has come.
func (c *firmwareProgressCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	p, err := client.Progress(ctx, product, c.Version.wire())
	if err != nil {
		return err
	}
	return c.show(p, func(t *table) {
		t.line("Version %s: %s should run it, %d do.", p.Version, humane.Count(p.Devices, "device"), p.Running)
		if p.Running < p.Devices {
			t.line("Of the others: %s.", statesText(p.States))
		}
	})
}

type firmwareDeleteCmd struct {
	productRemote
	agree
	Version versionText `arg:"" help:"Version." complete:"firmware"`
}

// Run deletes one.
func (c *firmwareDeleteCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, _, err := findFirmware(ctx, client, product, c.Version)
	if err != nil {
		return err
	}
	if f.Released {
		return fmt.Errorf("version %s was released: released firmware is kept", f.Version)
	}
	if f.Devices > 0 {
		note("%s report that they run it; they keep it.", humane.Count(f.Devices, "device"))
	}
	if err := c.confirm(ctx, "Delete firmware %s, %s?", c.Version, humane.Size(f.Size)); err != nil {
		return err
	}
	if err := client.DeleteFirmware(ctx, product, c.Version.wire()); err != nil {
		return err
	}
	return c.done("Deleted firmware %s.", c.Version)
}
