package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

type fleetHistoryCmd struct {
	productRemote
	Range lengthText `default:"1h" help:"How much time, up to now, as in 30m, 24h, 30d or 2y." placeholder:"TIME"`
	Step  lengthText `help:"Length of a row, as in 10s, 10m or 1d; what makes about 20 rows if absent." placeholder:"TIME"`
	Group string     `help:"Only the devices in this group, for all who see it." placeholder:"NAME" xor:"whose"`
	Team  bool       `help:"All products of the team together." xor:"whose"`
}

// lengthText is a length of time on the command line, also in days, weeks and years.
type lengthText struct{ time.Duration }

// UnmarshalText reads 30m, 24h, 30d, 4w or 2y.
func (l *lengthText) UnmarshalText(text []byte) error {
	length, ok := api.ParseLength(string(text))
	if !ok {
		return fmt.Errorf("%q is not a length of time: use one such as 30m, 24h, 30d or 2y", text)
	}
	l.Duration = length
	return nil
}

const historyRows = 20

// Run lists what a fleet did over time.
func (c *fleetHistoryCmd) Run(ctx context.Context) error {
	filter := api.PastFilter{Range: c.Range.Duration, Step: c.Step.Duration}
	if filter.Step == 0 && !c.JSON {
		filter.Step = filter.Range / historyRows
	}
	return ask(ctx, c, func(s server) (api.Past, error) {
		if c.Team {
			return s.TeamPast(ctx, filter)
		}
		if c.Group != "" {
			return s.GroupPast(ctx, s.product, c.Group, filter)
		}
		return s.Past(ctx, s.product, filter)
	}, drawPast)
}

func drawPast(t *table, past api.Past) {
	nothing := "Nothing was sampled in this time."
	if past.LeftOut {
		nothing = "This group has no past: up to 64 groups of a product have one, those with the most devices."
	}
	t.hint(len(past.Points), "%s", nothing)
	t.row("TIME (UTC)", "DEVICES", "ONLINE", "HANDSHAKES", "FAILURES", "VERSIONS, RELEASES")
	marks := past.Marks
	for _, p := range past.Points {
		failures := 0
		for _, n := range p.Failures {
			failures += n
		}
		t.row(p.At.UTC().Format("2006-01-02 15:04:05"), p.Devices, p.Online, p.Handshakes, failures, versionsText(p.Versions))
		for len(marks) > 0 && marks[0].At.Before(p.At.Add(past.Step.Duration)) {
			t.row(marks[0].At.UTC().Format("2006-01-02 15:04:05"), "", "", "", "", markText(marks[0]))
			marks = marks[1:]
		}
	}
}

// versionsText lists versions and how many devices run each, the highest first.
func versionsText(versions map[string]int) string {
	names := slices.SortedFunc(maps.Keys(versions), func(a, b string) int {
		return fleet.ReportedVersion(b).Compare(fleet.ReportedVersion(a))
	})
	var texts []string
	for _, name := range names {
		texts = append(texts, fmt.Sprintf("%s: %d", name, versions[name]))
	}
	return strings.Join(texts, ", ")
}

func markText(m api.PastMark) string {
	target := "the product default"
	if m.Group != "" {
		target = m.Group
	}
	text := m.Version + " " + m.What + " (" + target + ")"
	if m.Release != 0 {
		text = fmt.Sprintf("release %d of %s", m.Release, text)
	}
	return text
}
