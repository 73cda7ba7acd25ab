package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
)

// releasing is what release and unrelease have in common.
type releasing struct {
	productRemote
	agree
	Version   versionText `arg:"" help:"Version." complete:"firmware"`
	Group     []string    `short:"g" help:"A group; repeat for several." placeholder:"GROUP" complete:"group"`
	DryRun    bool        `help:"Show the impact and exit."`
	Immediate bool        `help:"Update devices that are online now, at a limited rate; others at their next handshake, as usual."`
}

// order shows the impact of r, asks, and makes the release. tag belongs to what r is based
// on: if someone else released in the meantime, nothing changes.
func (c *releasing) order(ctx context.Context, s server, tag, question string, r api.Release) error {
	r.Intelligent = c.Immediate
	impact, err := s.PreviewRelease(ctx, s.product, r)
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
	noteImpact(readImpact(impact))
	when := "at each device's next handshake"
	if c.Immediate {
		when = "now for devices that are online"
	}
	if err := c.confirm(ctx, "%s, %s?", question, when); err != nil {
		return err
	}
	f, err := s.If(tag).Release(ctx, s.product, r)
	if hasChanged(err) {
		return errors.Join(noteReleases(ctx, s), fmt.Errorf("nothing was released: %w", err))
	}
	return answer(c, f, err, func(t *table, f api.Firmware) {
		t.line("Version %s is released to: %s.", f.Version, cell(places(f)))
		if r.Plan != nil && f.Release != nil {
			t.line("Release %d is %s, at %s. Follow it with: muster release watch %d", f.Release.ID, f.Release.State, f.Release.Share, f.Release.ID)
			return
		}
		if c := readCooling(f.Cooling); c.Devices > 0 {
			t.line("%s", coolingLine(c))
		}
		t.line("Follow its progress with: muster fleet watch")
	})
}

// noteReleases prints what is released where after someone else's release.
func noteReleases(ctx context.Context, s server) error {
	all, err := s.Firmware(ctx, s.product)
	if err != nil {
		return err
	}
	note("Someone else released in the meantime. The releases are now:")
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
	Default bool `help:"Release as the product default, to every device that no other rule applies to."`
}

// Run adds groups, or the default, to where the version is released, replacing any other
// version released there.
func (c *firmwareReleaseCmd) Run(ctx context.Context) error {
	if !c.Default && len(c.Group) == 0 {
		return Misuse("release to which devices? Name groups with --group, or give --default for every device that no other rule applies to")
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, tag, err := findFirmware(ctx, s, c.Version)
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
	return c.order(ctx, s, tag, fmt.Sprintf("Release version %s %s", c.Version, strings.Join(where, " and ")), r)
}

// union returns the names in a or b, each once.
func union(a, b []string) api.Names {
	all := api.Names(slices.Concat(a, b))
	slices.Sort(all)
	return slices.Compact(all)
}

type firmwareUnreleaseCmd struct {
	releasing
	Default bool `help:"Withdraw it as the product default."`
}

// Run withdraws the version from groups and as the default; from everywhere if neither is
// named.
func (c *firmwareUnreleaseCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, tag, err := findFirmware(ctx, s, c.Version)
	if err != nil {
		return err
	}
	groups, isDefault := c.Group, c.Default
	if len(groups) == 0 && !isDefault {
		groups, isDefault = f.Groups, f.Default
	}
	if len(groups) == 0 && !isDefault {
		return fmt.Errorf("version %s is not released anywhere", c.Version)
	}
	r := api.Release{Version: c.Version.wire()}
	var where []string
	if isDefault {
		if !f.Default {
			return fmt.Errorf("version %s is not the product default", c.Version)
		}
		r.Default = new(false)
		where = append(where, "as the product default")
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
	return c.order(ctx, s, tag, fmt.Sprintf("Withdraw version %s %s", c.Version, strings.Join(where, " and ")), r)
}
