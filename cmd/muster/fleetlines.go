package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/simulator"
)

// fleetLines draws a fleet for a terminal.View: a summary line, then bars of devices online
// and per version, and what the devices are doing.
func fleetLines(s simulator.Snapshot) []string {
	versions := make([]string, 0, len(s.Versions))
	for v := range s.Versions {
		versions = append(versions, v)
	}
	slices.SortFunc(versions, func(a, b string) int {
		return fleet.ReportedVersion(a).Compare(fleet.ReportedVersion(b))
	})
	counts := make([]string, len(versions))
	for i, v := range versions {
		counts[i] = fmt.Sprintf("v%s: %d", v, s.Versions[v])
	}
	doing := fmt.Sprintf("downloading %d, applying %d", s.States[simulator.Downloading.String()],
		s.States[simulator.Stored.String()]+s.States[simulator.Applying.String()])
	moved := fmt.Sprintf("%s/s, %s in all", humane.Size(int64(s.Rate)), humane.Size(s.Bytes))
	ended := fmt.Sprintf("%d confirmed, %d failed, %d rolled back", s.Totals.Confirmed, s.Totals.Failed, s.Totals.RolledBack)
	lines := []string{
		fmt.Sprintf("%d of %d online | %s | %s | %s | %s", s.Online, s.Devices, strings.Join(counts, ", "), doing, moved, ended),
		fmt.Sprintf("  %-11s %s %d of %d", "online", terminal.Bar(s.Online, s.Devices), s.Online, s.Devices),
	}
	for _, v := range versions {
		lines = append(lines, fmt.Sprintf("  %-11s %s %d", "version "+v, terminal.Bar(s.Versions[v], s.Devices), s.Versions[v]))
	}
	lines = append(lines, "  "+doing+"; "+moved, "  updates: "+ended)
	if s.Online == 0 && s.Trouble != "" {
		trouble := fmt.Sprintf("%s of %d: %s", humane.Count(s.Troubled, "device"), s.Devices, s.Trouble)
		lines[0] += " | " + trouble
		lines = append(lines, "  "+trouble)
	}
	return lines
}

// maxWrong is how many devices a verdict lists; the JSON report has them all.
const maxWrong = 20

func printVerdict(out io.Writer, v simulator.Verdict, totals simulator.Stats) {
	if v.OK {
		compared := humane.Count(v.Compared, "image") + " compared, byte for byte"
		if v.Compared == 0 {
			compared = "no image was compared"
		}
		fmt.Fprintf(out, "Verdict: all %d devices run exactly what they should; %s.\n%d updates confirmed, %d of %d chunks sent to a device that held them already.\n",
			v.Checked, compared, totals.Confirmed, totals.Duplicates, totals.Chunks)
		return
	}
	fmt.Fprintf(out, "Verdict: %d of %d devices do not run what they should:\n", len(v.Wrong), v.Checked)
	for i, wrong := range v.Wrong {
		if i == maxWrong {
			fmt.Fprintf(out, "  ... and %d more\n", len(v.Wrong)-i)
			break
		}
		should := ""
		if wrong.Want != "" {
			should = ", should run " + wrong.Want
		}
		fmt.Fprintf(out, "  %s runs %s%s: %s\n", wrong.Device, wrong.Got, should, wrong.Reason)
	}
}
