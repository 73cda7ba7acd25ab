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

// show replaces what the last show drew. The first line stands for all where there is no
// terminal.
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
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	for _, line := range lines {
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

// fleetLines draws a fleet: first all in one line, then a bar per version.
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
	lines := []string{fmt.Sprintf("%d of %d online | %s | downloading %d, applying %d | %s/s, %s in all | %d confirmed, %d failed, %d rolled back",
		s.Online, s.Devices, strings.Join(counts, ", "),
		s.States[simulator.Downloading.String()], s.States[simulator.Stored.String()]+s.States[simulator.Applying.String()],
		bytesText(int64(s.Rate)), bytesText(s.Bytes), s.Totals.Confirmed, s.Totals.Failed, s.Totals.RolledBack)}
	for _, v := range versions {
		lines = append(lines, fmt.Sprintf("  version %-8s %s %d", v, bar(s.Versions[v], s.Devices), s.Versions[v]))
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

func bytesText(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// maxWrong is how many devices a verdict lists; the JSON report has all.
const maxWrong = 20

func printVerdict(out io.Writer, v simulator.Verdict, totals simulator.Stats) {
	if v.OK {
		fmt.Fprintf(out, "Verdict: all %d devices run exactly what they should, byte for byte.\n%d updates confirmed, %d of %d chunks sent to a device that held them already.\n",
			v.Checked, totals.Confirmed, totals.Duplicates, totals.Chunks)
		return
	}
	fmt.Fprintf(out, "Verdict: %d of %d devices do not run what they should:\n", len(v.Wrong), v.Checked)
	for i, wrong := range v.Wrong {
		if i == maxWrong {
			fmt.Fprintf(out, "  ... and %d more\n", len(v.Wrong)-i)
			break
		}
		fmt.Fprintf(out, "  %s runs %s, should run %s: %s\n", wrong.Device, wrong.Got, wrong.Want, wrong.Reason)
	}
}
