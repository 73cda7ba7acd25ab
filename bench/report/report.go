// Package report is what a benchmark found: rows of two servers side by side, latencies, and
// the bars that have to be reached; as JSON or as tables.
package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Result is what one benchmark found.
type Result struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	Setting []string `json:"setting"` // what was measured with what
	Asked   []Asked  `json:"asked,omitempty"`
	Tables  []Table  `json:"tables,omitempty"`
	Rows    []Row    `json:"rows"`
	Bars    []Bar    `json:"bars"`
}

// Row is one quantity on both sides.
type Row struct {
	What      string  `json:"what"`
	Unit      string  `json:"unit"`
	Muster    *Series `json:"muster,omitempty"`
	Mosquitto *Series `json:"mosquitto,omitempty"`
}

// Series is one quantity over all runs.
type Series struct {
	Median float64   `json:"median"`
	Runs   []float64 `json:"runs"`
}

// Bar is what a quantity has to reach.
type Bar struct {
	What    string   `json:"what"`
	Unit    string   `json:"unit,omitempty"`
	Got     *float64 `json:"got"` // nil: not measured
	AtLeast bool     `json:"at_least"`
	Limit   float64  `json:"limit"`
	Aim     float64  `json:"aim,omitempty"` // what one would like; 0: nothing more
}

// overRuns is nil for no runs.
func overRuns(runs []float64) *Series {
	if len(runs) == 0 {
		return nil
	}
	return &Series{Median: quantile(runs, 0.5), Runs: runs}
}

// quantile is the q-quantile of values, 0 ≤ q ≤ 1, between neighbors linearly.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (sorted[high]-sorted[low])*(at-float64(low))
}

// Add adds a row, of the numbers of all runs; nil: that server was not measured.
func (r *Result) Add(what, unit string, muster, mosquitto []float64) Row {
	added := Row{What: what, Unit: unit, Muster: overRuns(muster), Mosquitto: overRuns(mosquitto)}
	r.Rows = append(r.Rows, added)
	return added
}

// Numbers takes one number of each run.
func Numbers[R any](runs []R, number func(R) float64) (values []float64) {
	for _, r := range runs {
		values = append(values, number(r))
	}
	return values
}

// Ratio is Muster's median over Mosquitto's, nil when one is missing.
func (r Row) Ratio() *float64 {
	if r.Muster == nil || r.Mosquitto == nil || r.Mosquitto.Median == 0 {
		return nil
	}
	v := r.Muster.Median / r.Mosquitto.Median
	return &v
}

// Got is the median, nil when nothing was measured.
func (s *Series) Got() *float64 {
	if s == nil {
		return nil
	}
	return &s.Median
}

// AtLeast adds a bar that got has to reach. Reaching aim, where it is not 0, is better still.
func (r *Result) AtLeast(what string, got *float64, limit, aim float64) {
	r.Bars = append(r.Bars, Bar{What: what, Got: got, AtLeast: true, Limit: limit, Aim: aim})
}

// AtMost adds a bar that got may not pass.
func (r *Result) AtMost(what, unit string, got *float64, limit float64) {
	r.Bars = append(r.Bars, Bar{What: what, Unit: unit, Got: got, Limit: limit})
}

// Met reports whether no bar was missed. What was not measured misses none.
func (r *Result) Met() bool {
	return !slices.ContainsFunc(r.Bars, func(b Bar) bool { return b.verdict() == missed })
}

const missed = "MISSED"

func (b Bar) verdict() string {
	switch {
	case b.Got == nil:
		return "not measured"
	case math.IsNaN(*b.Got), b.AtLeast && *b.Got < b.Limit, !b.AtLeast && *b.Got > b.Limit:
		return missed
	case b.Aim != 0 && *b.Got >= b.Aim:
		return "met, and the aim"
	}
	return "met"
}

func (b Bar) want() string {
	sign := "≤"
	if b.AtLeast {
		sign = "≥"
	}
	s := strings.TrimSpace(fmt.Sprintf("%s %s %s", sign, Number(b.Limit), b.Unit))
	if b.Aim != 0 {
		s += fmt.Sprintf(" (aim %s)", Number(b.Aim))
	}
	return s
}

// Print writes r as tables for people.
func (r *Result) Print(w io.Writer) error {
	text := fmt.Appendf(nil, "%s: %s\n", r.Name, r.About)
	for _, line := range r.Setting {
		text = fmt.Appendf(text, "  %s\n", line)
	}
	text = append(text, r.latencies()...)
	text = append(text, r.tables()...)
	if len(r.Rows) > 0 {
		text = append(text, "\nmedian\tunit\tmuster\tmosquitto\tratio\tleast to most\t\n"...)
	}
	for _, row := range r.Rows {
		text = fmt.Appendf(text, "%s\t%s\t%s\t%s\t%s\t%s\t\n", row.What, row.Unit,
			cell(row.Muster.Got()), cell(row.Mosquitto.Got()), cell(row.Ratio()), row.spread())
	}
	if len(r.Bars) > 0 {
		text = append(text, "\nbar\tgot\twant\t\t\n"...)
	}
	for _, b := range r.Bars {
		text = fmt.Appendf(text, "%s\t%s\t%s\t%s\t\n", b.What, cell(b.Got), b.want(), b.verdict())
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := t.Write(append(text, '\n')); err != nil {
		return err
	}
	return t.Flush()
}

// spread shows least and most of each side's runs.
func (r Row) spread() string {
	var parts []string
	for _, s := range []*Series{r.Muster, r.Mosquitto} {
		if s != nil && len(s.Runs) > 1 {
			parts = append(parts, Number(slices.Min(s.Runs))+".."+Number(slices.Max(s.Runs)))
		}
	}
	return strings.Join(parts, " : ")
}

func cell(v *float64) string {
	if v == nil {
		return "-"
	}
	return Number(*v)
}

// Number shows about three digits that matter.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100, v == math.Trunc(v) && a < 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
