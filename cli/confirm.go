package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// agree is embedded in verbs that ask before they act.
type agree struct {
	Yes bool `short:"y" help:"Don't ask for confirmation. Required where there is no terminal to ask on."`
}

// confirm asks for a yes and returns an error for anything else. Piped input is not taken
// as an answer: it may be meant for another command.
func (a agree) confirm(ctx context.Context, format string, args ...any) error {
	if a.Yes {
		return nil
	}
	question := terminal.Clean(fmt.Sprintf(format, args...))
	if !terminal.Interactive() {
		return fmt.Errorf("%s Nothing was changed: there is no terminal to ask on. To go ahead, add --yes", question)
	}
	fmt.Fprintf(os.Stderr, "%s [y/N] ", question)
	line, err := terminal.ReadLine(ctx)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed: the answer was not y")
}

// noteImpact prints which devices a change will update.
func noteImpact(i fleet.Impact) {
	for _, line := range impactLines(i) {
		note("%s", line)
	}
}

func impactLines(i fleet.Impact) []string {
	lines := []string{fmt.Sprintf("Impact: %s of %s will receive an update as a direct result.", humane.Number(i.Total), humane.Count(i.Of, "device"))}
	for _, row := range i.Moves {
		lines = append(lines, "  "+moveLine(row))
	}
	if i.Total > 0 {
		lines = append(lines, fmt.Sprintf("  %s of them online now", humane.Number(i.Online)))
	}
	if i.Ends > 0 {
		lines = append(lines, fmt.Sprintf("  %s in progress will end", humane.Count(i.Ends, "update")))
	}
	if i.Due > 0 {
		lines = append(lines, fmt.Sprintf("  %s already waiting for it: an immediate release reaches these too", humane.Count(i.Due, "device")))
	}
	for _, row := range i.Blocked {
		lines = append(lines, fmt.Sprintf("  %d not now: %s", row.Devices, strings.ReplaceAll(row.Reason, "_", " ")))
	}
	if i.Cooling.Devices > 0 {
		lines = append(lines, "  "+coolingLine(i.Cooling))
	}
	return lines
}

// coolingLine describes devices that wait after a failed attempt, and how to end that.
func coolingLine(c fleet.Cooling) string {
	least := ""
	if c.AtLeast {
		least = "at least "
	}
	ids := make([]string, len(c.First))
	for i, one := range c.First {
		ids[i] = one.Device.String()
	}
	return fmt.Sprintf("%s%s not now: cooling down after a failed attempt, the last until %s (%s). To try at once: muster update retry %s",
		least, humane.Number(c.Devices), cell(c.Until), clipIDs(ids), strings.Join(ids[:min(len(ids), 3)], " "))
}

// readCooling converts devices that wait from the API.
func readCooling(c *api.Cooling) (out fleet.Cooling) {
	if c == nil {
		return out
	}
	out = fleet.Cooling{Devices: c.Total, AtLeast: c.AtLeast}
	if c.Until != nil {
		out.Until = *c.Until
	}
	for _, one := range c.Devices {
		out.First = append(out.First, fleet.CoolingOne{Device: fleet.DeviceID(one.ID)})
	}
	return out
}

// moveLine describes the devices that move from one version to another.
func moveLine(m fleet.MoveCount) string {
	from := m.From.String()
	if m.From.IsZero() {
		from = "an unknown version"
	}
	line := fmt.Sprintf("%s from %s to version %s", humane.Number(m.Devices), from, m.To)
	if m.Lower() {
		line += ", a downgrade"
	}
	return line
}

// readImpact converts an impact from the API.
func readImpact(i api.Impact) fleet.Impact {
	update := i.Devices.Update
	out := fleet.Impact{Total: update.Total, Of: i.Devices.Of, Due: update.Due, Online: update.Online, Ends: i.Devices.Ends, Cooling: readCooling(i.Devices.Cooling)}
	for _, row := range update.Moves {
		out.Moves = append(out.Moves, fleet.MoveCount{From: row.From.Version, To: row.To.Version, Devices: row.Total})
	}
	for _, row := range i.Devices.Blocked {
		out.Blocked = append(out.Blocked, fleet.ReasonCount{Reason: row.Reason, Devices: row.Total})
	}
	return out
}
