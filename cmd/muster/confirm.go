package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// agree is embedded in verbs that ask before they act.
type agree struct {
	Yes bool `short:"y" help:"Don't ask. Without a terminal to ask at, nothing is done unless this is given."`
}

// confirm asks a person. Anything but yes is an error, and nothing is done then. What is
// piped in is no answer: it may be meant for another command.
func (a agree) confirm(ctx context.Context, format string, args ...any) error {
	if a.Yes {
		return nil
	}
	question := clean(fmt.Sprintf(format, args...))
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return fmt.Errorf("%s Nothing was changed: there is no terminal to ask at. Where the answer is yes, add --yes", question)
	}
	fmt.Fprintf(os.Stderr, "%s [y/N] ", question)
	answer, err := readLine(ctx)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed: the answer was not y")
}

// stdin is read a line at a time; what was read ahead is for the next line.
var stdin = bufio.NewReader(os.Stdin)

// readLine reads a line of standard input, "" at its end. Where ctx ends first the read
// is left behind: only the end of the process ends it.
func readLine(ctx context.Context) (string, error) {
	read := make(chan string, 1)
	go func() {
		line, _ := stdin.ReadString('\n') // the end of input is an answer too
		read <- line
	}()
	select {
	case line := <-read:
		return strings.TrimRight(line, "\r\n"), nil
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr)
		return "", ctx.Err()
	}
}

// tellImpact says before a change what it will move.
func tellImpact(i fleet.Impact) {
	for _, line := range impactLines(i) {
		note("%s", line)
	}
}

func impactLines(i fleet.Impact) []string {
	lines := []string{fmt.Sprintf("Impact: %s of %s will receive an update as a direct result.", humane.Number(i.Total), humane.Count(i.Of, "device"))}
	for _, row := range i.ByVersion {
		lines = append(lines, fmt.Sprintf("  %s to version %s", humane.Number(row.Devices), row.Version))
	}
	if i.Due > 0 {
		lines = append(lines, fmt.Sprintf("  %s more due for it already, not running it yet: an immediate release goes there, too", humane.Count(i.Due, "device")))
	}
	for _, row := range i.Blocked {
		lines = append(lines, fmt.Sprintf("  %d not now: %s", row.Devices, strings.ReplaceAll(row.Reason, "_", " ")))
	}
	return lines
}

// readImpact is what the server tells of an impact.
func readImpact(i api.Impact) fleet.Impact {
	out := fleet.Impact{Total: i.Devices.Update.Total, Of: i.Devices.Of, Due: i.Devices.Update.Due}
	for _, row := range i.Devices.Update.ByVersion {
		out.ByVersion = append(out.ByVersion, fleet.VersionCount{Version: row.Version.Version, Devices: row.Total})
	}
	for _, row := range i.Devices.Blocked {
		out.Blocked = append(out.Blocked, fleet.ReasonCount{Reason: row.Reason, Devices: row.Total})
	}
	return out
}
