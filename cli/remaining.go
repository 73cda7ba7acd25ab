package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/muster-iot/muster/api"
)

type updateRemainingCmd struct {
	productRemote
	Cause   string      `help:"List the devices with this cause, as the counts name it; any for all." placeholder:"CAUSE"`
	Version versionText `help:"Only devices whose target is this version." placeholder:"VERSION" complete:"firmware"`
	Release uint32      `help:"Only devices that this release, with a plan, gave their target." placeholder:"ID"`
	Limit   int         `default:"100" help:"With --cause: maximum number of rows; 0 for all." placeholder:"N"`
}

// anyCause is the --cause that lists all devices.
const anyCause = "any"

// Run counts or lists devices that don't run their target yet.
func (c *updateRemainingCmd) Run(ctx context.Context) error {
	f := api.RemainingFilter{Version: c.Version.String(), Release: c.Release}
	if c.Cause == "" {
		return ask(ctx, c, func(s server) (api.Remaining, error) { return s.Remaining(ctx, s.product, f) }, func(t *table, r api.Remaining) {
			t.hint(r.Total, "Every device runs its target.")
			t.row("CAUSE", "DEVICES", "MEANING", "FIRST")
			for _, cause := range r.Causes {
				t.row(cause.Cause, cause.Total, cause.Text, clip(strings.Join(cause.Devices, ", "), 60))
			}
		})
	}
	if f.Cause = c.Cause; c.Cause == anyCause {
		f.Cause = ""
	}
	return ask(ctx, c, func(s server) ([]api.RemainingDevice, error) {
		return upTo(c.Limit, func(after string, rows int) (api.Page[api.RemainingDevice], error) {
			f.After, f.Limit = after, rows
			return s.RemainingDevices(ctx, s.product, f)
		})
	}, func(t *table, devices []api.RemainingDevice) {
		t.hint(len(devices), "No device is left with this cause. The causes there are: muster update remaining")
		t.row("DEVICE", "RUNS", "TARGET", "ONLINE", "CAUSE", "MEANING")
		for _, d := range devices {
			t.row(d.DeviceID, d.Running, d.Target, d.Online, d.Cause, d.Text)
		}
	})
}

// leftWords counts in a few words why devices are left: "2 offline, 1 not now".
func leftWords(r api.Remaining) string {
	words := make([]string, len(r.Causes))
	for i, c := range r.Causes {
		words[i] = fmt.Sprintf("%d %s", c.Total, strings.ReplaceAll(c.Cause, "_", " "))
	}
	return strings.Join(words, ", ")
}

// leftNamed counts like leftWords, and names the first devices of each cause.
func leftNamed(r api.Remaining) string {
	words := make([]string, len(r.Causes))
	for i, c := range r.Causes {
		words[i] = fmt.Sprintf("%d %s (%s)", c.Total, strings.ReplaceAll(c.Cause, "_", " "), someOf(c))
	}
	return strings.Join(words, ", ")
}

// leftLines draws why devices are left, a line per cause. flags are those that select the devices,
// for the verb that lists the others.
func leftLines(r api.Remaining, flags string) (lines []string) {
	for _, c := range r.Causes {
		line := fmt.Sprintf("    %d %s: %s", c.Total, c.Text, someOf(c))
		if c.Total > len(c.Devices) {
			line += fmt.Sprintf("; all: muster update remaining --cause %s%s", c.Cause, flags)
		}
		lines = append(lines, line)
	}
	return lines
}

// someOf names devices with a cause, and notes that there are more.
func someOf(c api.RemainingCause) string {
	text := strings.Join(c.Devices, ", ")
	if c.Total > len(c.Devices) {
		text += ", …"
	}
	return text
}
