package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/simulator"
)

// view shows lines that change: in place on a terminal, else one plain line whenever
// something moved. It may be used concurrently.
type view struct {
	out  *os.File
	live bool

	mu    sync.Mutex
	drawn int    // lines on the screen that the next show replaces; guarded by mu
	last  string // plain: what was printed last; guarded by mu
}

func newView(out *os.File, plain bool) *view {
	return &view{out: out, live: !plain && term.IsTerminal(int(out.Fd()))}
}

// show replaces what the last show drew: on a terminal all lines but the first, cut at its
// width, else the first, which says all in short. A line alone is both.
func (v *view) show(lines []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.live {
		if lines[0] != v.last {
			fmt.Fprintln(v.out, lines[0])
			v.last = lines[0]
		}
		return
	}
	if len(lines) > 1 {
		lines = lines[1:]
	}
	width, _, err := term.GetSize(int(v.out.Fd()))
	if err != nil {
		width = 80
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	for _, line := range lines {
		if letters := []rune(line); len(letters) > width {
			line = string(letters[:width])
		}
		b.WriteString("\r\x1b[2K" + line + "\n")
	}
	b.WriteString("\x1b[J")
	v.drawn = len(lines)
	_, _ = io.WriteString(v.out, b.String()) // a terminal that is gone needs no picture
}

// say prints text that stays, above what is shown.
func (v *view) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drawn = 0
	fmt.Fprintf(v.out, format+"\n", args...)
}

// end leaves what is shown on the screen.
func (v *view) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drawn = 0
}

const barWidth = 40 // letters of a full bar

// fleetLines draws a fleet: first all in one line, then a bar for who is online and one
// per version, and what the devices do.
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
		fmt.Sprintf("  %-11s %s %d of %d", "online", bar(s.Online, s.Devices), s.Online, s.Devices),
	}
	for _, v := range versions {
		lines = append(lines, fmt.Sprintf("  %-11s %s %d", "version "+v, bar(s.Versions[v], s.Devices), s.Versions[v]))
	}
	lines = append(lines, "  "+doing+"; "+moved, "  updates: "+ended)
	if s.Online == 0 && s.Trouble != "" {
		trouble := fmt.Sprintf("%s of %d: %s", humane.Count(s.Troubled, "device"), s.Devices, s.Trouble)
		lines[0] += " | " + trouble
		lines = append(lines, "  "+trouble)
	}
	return lines
}

func bar(n, of int) string {
	full := 0
	if of > 0 {
		full = (n*barWidth + of - 1) / of
	}
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

// maxWrong is how many devices a verdict lists; the JSON report has all.
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
