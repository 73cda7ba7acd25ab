package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// View shows lines that change: redrawn in place on a terminal, otherwise as one plain line
// per change. It may be used concurrently.
type View struct {
	out  *os.File
	live bool

	mu    sync.Mutex
	drawn int    // live: lines on the screen that the next Show replaces; guarded by mu
	last  string // plain: the line printed last; guarded by mu
}

// NewView returns a view on out. It is plain if asked to be, or if out is not a terminal.
func NewView(out *os.File, plain bool) *View {
	return &View{out: out, live: !plain && term.IsTerminal(int(out.Fd()))}
}

// Live reports whether the view redraws in place.
func (v *View) Live() bool { return v.live }

// Show replaces what the last Show drew. The first line is a summary of the others: a plain
// view prints only the summary, a live one all lines but the summary, cut to the terminal's
// width. A single line is used for both.
func (v *View) Show(lines []string) {
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
	_, _ = io.WriteString(v.out, b.String()) // nothing to do about a terminal that is gone
}

// Say prints a line that stays, above what is shown next.
func (v *View) Say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drawn = 0
	fmt.Fprintf(v.out, format+"\n", args...)
}

// End leaves what is shown on the screen.
func (v *View) End() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drawn = 0
}

const barWidth = 40 // letters of a full bar

// Bar draws n of total as a bar of fixed width.
func Bar(n, total int) string {
	full := 0
	if total > 0 {
		full = (n*barWidth + total - 1) / total
	}
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}
