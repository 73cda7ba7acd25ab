package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/history"
	"github.com/muster-iot/muster/wire"
)

// pastRange is a range of time that charts show, up to now.
type pastRange struct {
	Name, Text string
	Length     time.Duration
}

const day = 24 * time.Hour

var pastRanges = []pastRange{
	{"1h", "1 hour", time.Hour}, {"6h", "6 hours", 6 * time.Hour}, {"24h", "24 hours", day}, {"7d", "7 days", 7 * day},
	{"30d", "30 days", 30 * day}, {"1y", "1 year", 365 * day}, {"2y", "2 years", 730 * day},
}

// Last is r as in "in the last 30 days".
func (r pastRange) Last() string { return strings.TrimPrefix(r.Text, "1 ") }

// pastRange returns the range that the page shows, an hour if it names none.
func (v *visit) pastRange() pastRange {
	for _, r := range pastRanges {
		if r.Name == v.text("range") {
			return r
		}
	}
	return pastRanges[0]
}

// pastCharts are the charts of a fleet over time, on a page.
type pastCharts struct {
	Ranges     []pastRange
	Now        pastRange
	Page, Data string // addresses without the range, which is appended to them
	LeftOut    bool   // there are no charts: the group has no past
}

// Slow reports whether the charts change so little in a minute that nobody would see it.
func (c pastCharts) Slow() bool { return c.Now.Length > day }

// chartData is what charts of one page draw: all of them over the same times.
type chartData struct {
	Times  []int64          `json:"times"` // Unix seconds
	Step   int64            `json:"step"`  // usual seconds between two of them; 0: any
	Charts map[string]chart `json:"charts"`
	Marks  []chartMark      `json:"marks"`
}

// chart is the lines of one chart, in the order of their legend.
type chart struct {
	Lines   []chartLine `json:"lines"`
	Stacked bool        `json:"stacked"`
	Decimal bool        `json:"decimal"` // its numbers are not whole
}

// chartLine is a line with a value for each time.
type chartLine struct {
	Label  string    `json:"label"`
	Color  int       `json:"color"`           // of the palette; negative: a grey
	Class  string    `json:"class,omitempty"` // a colour of its own instead
	Values []float64 `json:"values"`
}

// chartMark is something that happened, with a line across the charts.
type chartMark struct {
	At    int64  `json:"at"`
	Short string `json:"short"`
	Text  string `json:"text"`
	Link  string `json:"link"`
	Bad   bool   `json:"bad"`
}

func (v *visit) charts(data chartData) error {
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(http.StatusOK)
	if err := json.NewEncoder(v.w).Encode(data); err != nil {
		v.log.Debug("console: the browser disconnected", "err", err)
	}
	return nil
}

// fleetHistory answers with what the charts of the fleet draw, for owners and admins.
func (v fleetPages) fleetHistory() error {
	past, err := v.history.Product(v.ctx(), v.actor, v.product.ID, v.pastQuery())
	return v.chartsOf(past, err)
}

// groupHistory answers with what the charts of a group draw, for those who see the group.
func (v groupPages) groupHistory() error {
	g, err := v.registry.Group(v.ctx(), v.actor, v.product.ID, v.groupOf())
	if err != nil {
		return err
	}
	past, err := v.history.Group(v.ctx(), v.actor, v.product.ID, g.ID, v.pastQuery())
	return v.chartsOf(past, err)
}

// pastQuery selects the range that the page shows.
func (v *visit) pastQuery() history.Query {
	return history.Query{From: time.Now().Add(-v.pastRange().Length)}
}

// chartsOf answers with what the charts of a past draw; err is passed on.
func (v *visit) chartsOf(past history.Series, err error) error {
	if err != nil {
		return err
	}
	firmware, err := v.releases.Firmware(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	data := chartData{Step: int64(past.Step / time.Second), Marks: []chartMark{}}
	points := slices.Concat(past.Points, []history.Point{past.Now})
	online, rates := chartLine{Label: "online", Color: 1}, chartLine{Label: "per second", Color: 1}
	all := chartLine{Label: "devices", Color: -2}
	for _, p := range points {
		data.Times = append(data.Times, p.At.Unix())
		online.Values = append(online.Values, float64(p.Online))
		all.Values = append(all.Values, float64(p.Total))
		rates.Values = append(rates.Values, float64(p.Handshakes)/float64(max(p.Seconds, 1)))
	}
	data.Charts = map[string]chart{
		"versions": {Stacked: true, Lines: versionLines(points, firmware)},
		"online":   {Lines: []chartLine{online, all}},
		"rates":    {Decimal: true, Lines: []chartLine{rates}},
		"failures": {Stacked: true, Lines: failureLines(points)},
	}
	for _, m := range past.Marks {
		data.Marks = append(data.Marks, v.chartMark(m, groups))
	}
	return v.charts(data)
}

// versionLines are the devices by version, the highest first. A version keeps its colour, by
// when it was uploaded.
func versionLines(points []history.Point, firmware []fleet.FirmwareView) []chartLine {
	slices.SortStableFunc(firmware, func(a, b fleet.FirmwareView) int { return a.Uploaded.Compare(b.Uploaded) })
	colors := map[string]int{history.Unknown: -1, history.Foreign: -2, history.Others: -3}
	for i, f := range firmware {
		colors[f.Version.String()] = i
	}
	names := make(map[string]bool)
	for _, p := range points {
		for name, n := range p.Devices {
			names[name] = names[name] || n > 0
		}
	}
	maps.DeleteFunc(names, func(_ string, any bool) bool { return !any })
	lines := []chartLine{}
	for _, name := range slices.SortedFunc(maps.Keys(names), highestFirst) {
		color, known := colors[name]
		if !known {
			color = len(firmware) // it was deleted since
		}
		line := chartLine{Label: name, Color: color}
		for _, p := range points {
			line.Values = append(line.Values, float64(p.Devices[name]))
		}
		lines = append(lines, line)
	}
	return lines
}

// highestFirst orders versions; names that are not versions come last.
func highestFirst(a, b string) int {
	return cmp.Or(-fleet.ReportedVersion(a).Compare(fleet.ReportedVersion(b)), cmp.Compare(a, b))
}

// failureLines are the failed updates by reason, in a point.
func failureLines(points []history.Point) []chartLine {
	reasons := make(map[fleet.ReasonCode]bool)
	for _, p := range points {
		for reason := range p.Failures {
			reasons[reason] = true
		}
	}
	lines := []chartLine{}
	for i, reason := range slices.Sorted(maps.Keys(reasons)) {
		line := chartLine{Label: wire.ReasonText(reason), Color: i}
		for _, p := range points {
			line.Values = append(line.Values, float64(p.Failures[reason]))
		}
		lines = append(lines, line)
	}
	return lines
}

func (v *visit) chartMark(m history.Mark, groups []fleet.GroupView) chartMark {
	target := "the product default"
	if m.Group != 0 {
		target = "a deleted group"
	}
	for _, g := range groups {
		if g.ID == m.Group && m.Group != 0 {
			target = g.Name
		}
	}
	mark := chartMark{At: m.At.Unix(), Short: m.Version, Link: v.at("/firmware/" + m.Version)}
	mark.Text = fmt.Sprintf("%s %s %s", m.Version, m.What, target)
	switch m.What {
	case "released":
		mark.Text = fmt.Sprintf("%s released to %s", m.Version, target)
	case "withdrawn":
		mark.Text = fmt.Sprintf("%s withdrawn from %s", m.Version, target)
	}
	if m.Release != 0 {
		mark.Link = v.at("/releases/" + m.Release.String())
		if m.What != "released" && m.What != "withdrawn" {
			mark.Text = fmt.Sprintf("Release %s of %s: %s", m.Release, m.Version, m.What)
			mark.Short = m.What
		}
	}
	mark.Bad = m.What == fleet.ReleaseHalted.String() || m.What == fleet.ReleaseReverting.String()
	return mark
}

// burnDown answers with the curve of a release, for those who see all of its devices.
func (v rolloutPages) burnDown() error {
	id, err := v.id()
	if err != nil {
		return err
	}
	burns, err := v.history.Release(v.ctx(), v.actor, v.product.ID, id)
	if err != nil {
		return err
	}
	parts := []struct {
		label, class string
		of           func(history.Burn) int
	}{
		{"confirmed", "good", func(b history.Burn) int { return b.Confirmed }},
		{"applying", "applying", func(b history.Burn) int { return b.Applying }},
		{"downloading", "live", func(b history.Burn) int { return b.Downloading }},
		{"failed", "bad", func(b history.Burn) int { return b.Failed }},
		{"lost", "lost", func(b history.Burn) int { return b.Lost }},
		{"waiting", "waiting", func(b history.Burn) int { return b.Waiting }},
	}
	data := chartData{Times: []int64{}, Marks: []chartMark{}}
	burn := chart{Stacked: true}
	for _, part := range parts {
		line := chartLine{Label: part.label, Class: part.class, Values: []float64{}}
		for _, b := range burns {
			line.Values = append(line.Values, float64(part.of(b)))
		}
		burn.Lines = append(burn.Lines, line)
	}
	for i, b := range burns {
		data.Times = append(data.Times, b.At.Unix())
		switch {
		case i > 0 && b.State != burns[i-1].State:
			bad := b.State == fleet.ReleaseHalted || b.State == fleet.ReleaseReverting
			data.Marks = append(data.Marks, chartMark{At: b.At.Unix(), Short: b.State.String(), Text: "It is " + b.State.String(), Bad: bad})
		case i > 0 && b.Share != burns[i-1].Share:
			data.Marks = append(data.Marks, chartMark{At: b.At.Unix(), Short: b.Share.String(), Text: "Its share is " + b.Share.String()})
		}
	}
	data.Charts = map[string]chart{"burn": burn}
	return v.charts(data)
}
