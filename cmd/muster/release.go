package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
)

// releasing is what release and unrelease have in common.
type releasing struct {
	productRemote
	agree
	Version   versionText `arg:"" help:"Version." complete:"firmware"`
	Group     []string    `short:"g" help:"A group; several: each of them." placeholder:"GROUP" complete:"group"`
	DryRun    bool        `help:"Show the impact, and end."`
	Immediate bool        `help:"Devices that are online get it at once, paced; the others at their next handshake, as usual."`
}

// order shows the impact of r, asks, and does it. tag is of what r was made from: where
// somebody else has released in between, nothing is done.
func (c *releasing) order(ctx context.Context, client *client.Client, product, tag, question string, r api.Release) error {
	r.Intelligent = c.Immediate
	impact, err := client.PreviewRelease(ctx, product, r)
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.show(impact, func(t *table) {
			for _, line := range impactLines(readImpact(impact)) {
				t.line("%s", line)
			}
		})
	}
	tellImpact(readImpact(impact))
	when := "at each device's next handshake"
	if c.Immediate {
		when = "at once for devices that are online"
	}
	if err := c.confirm(ctx, "%s, %s?", question, when); err != nil {
		return err
	}
	f, err := client.If(tag).Release(ctx, product, r)
	if changed(err) {
		return errors.Join(tellReleases(ctx, client, product), fmt.Errorf("nothing was released: %w", err))
	}
	if err != nil {
		return err
	}
	return c.show(f, func(t *table) {
		t.line("Version %s is released to: %s.", f.Version, cell(places(f)))
		t.line("How far it has come: muster fleet watch")
	})
}

// changed reports whether err says that what was read is not so any more.
func changed(err error) bool {
	var detail *fleet.Error
	return errors.As(err, &detail) && detail.Code == fleet.CodeChanged
}

// tellReleases says beside the answer what is released where at this moment.
func tellReleases(ctx context.Context, client *client.Client, product string) error {
	all, err := client.Firmware(ctx, product)
	if err != nil {
		return err
	}
	note("Someone else has released meanwhile. Now it is:")
	t := newTable(os.Stderr)
	for _, f := range all {
		if where := places(f); len(where) > 0 {
			t.row("  version "+f.Version.String(), where)
		}
	}
	return t.flush()
}

type firmwareReleaseCmd struct {
	releasing
	Default bool `help:"As the product default: to every device no other rule decides about."`
}

// Run adds places to those the version is released to. A group or default that had
// another version has this one then.
func (c *firmwareReleaseCmd) Run(ctx context.Context) error {
	if !c.Default && len(c.Group) == 0 {
		return wrongUse("to whom? Name groups with --group, or give --default: that is every device no other rule decides about")
	}
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, tag, err := findFirmware(ctx, client, product, c.Version)
	if err != nil {
		return err
	}
	r := api.Release{Version: c.Version.wire()}
	var where []string
	if c.Default {
		r.Default = new(true)
		where = append(where, "as the product default")
	}
	if len(c.Group) > 0 {
		r.Groups = api.Some(union(f.Groups, c.Group))
		where = append(where, "to "+strings.Join(c.Group, ", "))
	}
	return c.order(ctx, client, product, tag, fmt.Sprintf("Release version %s %s", c.Version, strings.Join(where, " and ")), r)
}

// union is all names of a and b, each once.
func union(a, b []string) api.Names {
	all := api.Names(slices.Concat(a, b))
	slices.Sort(all)
	return slices.Compact(all)
}

type firmwareUnreleaseCmd struct {
	releasing
	Default bool `help:"It is not the product default any more."`
}

// Run takes places from those the version is released to; without any named, all.
func (c *firmwareUnreleaseCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, tag, err := findFirmware(ctx, client, product, c.Version)
	if err != nil {
		return err
	}
	groups, isDefault := c.Group, c.Default
	if len(groups) == 0 && !isDefault {
		groups, isDefault = f.Groups, f.Default
	}
	if len(groups) == 0 && !isDefault {
		return fmt.Errorf("version %s is released nowhere", c.Version)
	}
	r := api.Release{Version: c.Version.wire()}
	var where []string
	if isDefault {
		if !f.Default {
			return fmt.Errorf("version %s is not the product default", c.Version)
		}
		r.Default = new(false)
		where = append(where, "from being the product default")
	}
	if len(groups) > 0 {
		left := api.Names{}
		for _, name := range f.Groups {
			if !slices.Contains(groups, name) {
				left = append(left, name)
			}
		}
		if len(left)+len(groups) != len(f.Groups) {
			return fmt.Errorf("version %s is released to %s, not to all of %s", c.Version, cell(places(f)), strings.Join(groups, ", "))
		}
		r.Groups = api.Some(left)
		where = append(where, "from "+strings.Join(groups, ", "))
	}
	return c.order(ctx, client, product, tag, fmt.Sprintf("Take version %s back %s", c.Version, strings.Join(where, " and ")), r)
}
