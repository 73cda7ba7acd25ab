package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

type firmwareCmd struct {
	List      firmwareListCmd      `cmd:"" help:"List a product's firmware, where it is released, and how many devices run it." example:"muster firmware list"`
	Upload    firmwareUploadCmd    `cmd:"" help:"Upload an image as a new version." example:"muster firmware upload build/lamp.bin --version 7 --title \"Softer dimming\""`
	Get       firmwareGetCmd       `cmd:"" help:"Show one firmware." example:"muster firmware get 7"`
	Download  firmwareDownloadCmd  `cmd:"" help:"Fetch an image and check it." example:"muster firmware download 7 --out lamp-7.bin"`
	Delete    firmwareDeleteCmd    `cmd:"" help:"Delete a firmware that was never released." example:"muster firmware delete 7"`
	Release   firmwareReleaseCmd   `cmd:"" help:"Release a version to groups, or as the product default; shows the impact and asks." example:"muster firmware release 7 --group prerelease"`
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
	return c.show(all, func(t *table) {
		t.row("VERSION", "RELEASED TO", "DEVICES", "SIZE", "UPLOADED", "BY", "TITLE")
		for _, f := range all {
			t.row(f.Version, places(f), f.Devices, bytesText(f.Size), f.Uploaded, f.By.Username, f.Title)
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
	Version versionText `arg:"" help:"Version."`
}

// Run shows one.
func (c *firmwareGetCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, err := findFirmware(ctx, client, product, c.Version.Version)
	if err != nil {
		return err
	}
	return c.show(f, func(t *table) { drawFirmware(t, f) })
}

func findFirmware(ctx context.Context, client *api.Client, product string, v fleet.Version) (api.Firmware, error) {
	all, err := client.Firmware(ctx, product)
	if err != nil {
		return api.Firmware{}, err
	}
	i := slices.IndexFunc(all, func(f api.Firmware) bool { return f.Version.Equal(v) })
	if i < 0 {
		return api.Firmware{}, fmt.Errorf("no such firmware: %s; muster firmware list shows what there is", v)
	}
	return all[i], nil
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

type firmwareDeleteCmd struct {
	productRemote
	agree
	Version versionText `arg:"" help:"Version."`
}

// Run deletes one.
func (c *firmwareDeleteCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "Delete firmware %s? Its number can't be taken again by another image.", c.Version); err != nil {
		return err
	}
	if err := client.DeleteFirmware(ctx, product, c.Version.wire()); err != nil {
		return err
	}
	return c.done("Deleted firmware %s.", c.Version)
}
