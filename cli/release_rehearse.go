package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type releaseRehearseCmd struct {
	productRemote
	planFlags
	Version   versionText `arg:"" help:"Version." complete:"firmware"`
	Group     string      `short:"g" help:"To this group." placeholder:"GROUP" complete:"group"`
	Default   bool        `help:"As the product default, to every device that no other rule applies to."`
	Immediate bool        `help:"Devices that are online get it at once at each stage."`
	FailAt    []faultText `help:"Devices fail at download, verify, apply or return (from their restart): a share of all, as in verify:5%. Repeat for several." placeholder:"PHASE:SHARE"`
}

// faultText is a fault on the command line.
type faultText struct{ api.Fault }

// UnmarshalText reads verify:5%.
func (f *faultText) UnmarshalText(text []byte) (err error) {
	phase, share, found := strings.Cut(string(text), ":")
	if f.Phase = phase; !found {
		return fmt.Errorf("%q is not a fault: use download, verify, apply or return and a share of the devices, as in verify:5%%", text)
	}
	f.Share.Share, err = fleet.ParseShare(share)
	return err
}

// Run rehearses a release and reports what it would do.
func (c *releaseRehearseCmd) Run(ctx context.Context) error {
	if c.Default == (c.Group != "") {
		return Misuse("a release to which devices? Name a group with --group, or give --default for every device that no other rule applies to")
	}
	plan, err := c.plan()
	if err != nil {
		return err
	}
	in := api.Rehearse{Release: api.Release{Version: c.Version.wire(), Plan: plan, Intelligent: c.Immediate}}
	for _, f := range c.FailAt {
		in.Faults = append(in.Faults, f.Fault)
	}
	return ask(ctx, c, func(s server) (r api.Rehearsal, err error) {
		if c.Default {
			in.Default = new(true)
			return s.RehearseRelease(ctx, s.product, in)
		}
		f, _, err := findFirmware(ctx, s, c.Version)
		if err != nil {
			return r, err
		}
		in.Groups = api.Some(union(f.Groups, []string{c.Group}))
		return s.RehearseRelease(ctx, s.product, in)
	}, drawRehearsal)
}

func drawRehearsal(t *table, r api.Rehearsal) {
	t.line("The release would be %s after %s%s", r.State, r.Length, colon(r.Why))
	t.line("%s updated, %d failed, %d lost, %d went back, of %s in the product.", humane.Count(r.Confirmed, "device"), r.Failed, r.Lost, r.Returned, humane.Count(r.Devices, "device"))
	t.line("At most %s/s, %s in all.", humane.Size(r.Peak), humane.Size(r.Sent))
	t.line("Of the devices that it would reach: half were done %s, 90%% %s, 99%% %s.", after(r.Done.Half), after(r.Done.Most), after(r.Done.Nearly))
	t.row("STAGE", "SHARE", "AFTER", "CONFIRMED", "FAILED", "LOST")
	for _, s := range r.Stages {
		t.row(s.Number, s.Share, s.Began, s.Confirmed, s.Failed, s.Lost)
	}
	for _, m := range r.Moves {
		t.line("  %s from %s to %s", humane.Count(m.Total, "device"), cell(m.From), m.To)
	}
	if r.Check.Agrees {
		t.line("It agrees with the impact: %d of the %s it counts began an update, %d were not heard of.", r.Check.Begun, humane.Count(r.Check.Expected, "device"), r.Check.Absent)
	} else {
		t.line("It does not agree with the impact, which counts %s: %d began an update, %d were not heard of.", humane.Count(r.Check.Expected, "device"), r.Check.Begun, r.Check.Absent)
	}
}

func colon(text string) string {
	if text == "" {
		return "."
	}
	return ": " + text
}

func after(at *api.Span) string {
	if at == nil {
		return "never"
	}
	return "after " + at.String()
}
