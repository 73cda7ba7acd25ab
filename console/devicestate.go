package console

import (
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/devicelog"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// Percent is how much of the image the device has received.
func (b deviceBody) Percent() int {
	if b.Running == nil || b.Running.Size == 0 {
		return 0
	}
	return int(b.Running.Next * 100 / b.Running.Size)
}

// Left estimates how long the download still takes at its rate so far, "" if it is unknown.
func (b deviceBody) Left() string {
	if b.Running == nil || b.Running.State != fleet.Downloading || b.Running.Next == 0 || b.Running.Next >= b.Running.Size {
		return ""
	}
	now := time.Now()
	share := float64(b.Running.Size-b.Running.Next) / float64(b.Running.Next)
	return "about " + span(now, now.Add(time.Duration(share*float64(now.Sub(b.Running.Started))))) + " left"
}

// In reports whether the device is in the group.
func (b deviceBody) In(group fleet.GroupID) bool { return b.View.InAnyOf([]fleet.GroupID{group}) }

// Coming is the version the device will run if all goes well: the one being sent, the one an
// operator flashes, or its target.
func (b deviceBody) Coming() fleet.Version {
	switch {
	case b.Running != nil:
		return b.Running.To
	case !b.View.Flash.IsZero():
		return b.View.Flash
	}
	return b.View.Target
}

// Heading names what Coming is.
func (b deviceBody) Heading() string {
	switch {
	case b.Running != nil:
		return "Receiving"
	case !b.View.Flash.IsZero():
		return "Will receive"
	}
	return "Should run"
}

// UpToDate reports whether the device runs its target and nothing else is planned.
func (b deviceBody) UpToDate() bool {
	return b.Running == nil && b.View.Flash.IsZero() && !b.View.Target.IsZero() && b.View.Running.Equal(b.View.Target)
}

// Because explains Coming.
func (b deviceBody) Because() string {
	coming := b.Coming()
	switch {
	case coming.IsZero() || coming.Equal(b.View.Target):
		return because(b.View.Reason)
	case !coming.Equal(b.View.Flash):
		return "Its target has changed meanwhile"
	case b.View.Target.IsZero():
		return "Flashed once by an operator"
	}
	return "Flashed once by an operator; its target is " + b.View.Target.String()
}

// detail is a step of the trace in words, with times as pages show them.
func detail(s precedence.Step) string {
	return s.Sentence(func(preposition string, t time.Time) string {
		switch {
		case preposition != "at":
			return preposition + " " + stamp(t)
		case t.After(time.Now()):
			return stamp(t)
		}
		return ago(t)
	})
}

// holds are what keeps the device from its next update, for the head of its page.
func holds(d fleet.DeviceView) (list []string) {
	now := time.Now()
	if d.Online && d.LastHandshake.IsZero() { // some client that only publishes
		list = append(list, "no Hello yet")
	}
	if d.Attempts.Held {
		list = append(list, "held")
	}
	if !d.UpdatesOn && !d.Force && !d.LastHandshake.IsZero() {
		list = append(list, "not now")
	}
	if until := d.Attempts.NotBefore; d.Attempts.Spent > 0 && until.After(now) {
		list = append(list, "cool-down until "+until.UTC().Format("15:04")+" UTC")
	}
	return list
}

// factRow is something that a device reported about itself.
type factRow struct {
	Name, Value string            // Value is "" where the device does not report it any more
	Earlier     []devicelog.Value // newest first
}

// factRows are the facts of a device, by name, those within another by their path.
func factRows(d fleet.DeviceView) []factRow {
	var rows []factRow
	for name, value := range humane.Flat([]byte(wire.JSON(d.Facts))) {
		rows = append(rows, factRow{Name: name, Value: value})
	}
	for _, v := range devicelog.Values(d.OldFacts) {
		at := slices.IndexFunc(rows, func(r factRow) bool { return r.Name == v.Fact })
		if at < 0 {
			rows, at = append(rows, factRow{Name: v.Fact}), len(rows)
		}
		rows[at].Earlier = append(rows[at].Earlier, v)
	}
	slices.SortFunc(rows, func(a, b factRow) int { return strings.Compare(a.Name, b.Name) })
	return rows
}
