package conform

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"
)

// Level is how binding a case is.
type Level string

// The levels: a broken Must fails the run, a broken Should is reported.
const (
	Must   Level = "must"
	Should Level = "should"
)

// Outcome is how a case ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"
)

// Result is a case that was run.
type Result struct {
	Name    string
	Section string // anchor in docs/protocol.md
	Level   Level
	Outcome Outcome
	Detail  string // what the device did, or why the case was skipped
	Took    time.Duration
}

// Report is what a run found.
type Report struct {
	Device  string
	Results []Result
}

// Broken is the number of broken rules of a level.
func (r Report) Broken(level Level) int {
	n := 0
	for _, result := range r.Results {
		if result.Outcome == Failed && result.Level == level {
			n++
		}
	}
	return n
}

// Link is where the rule of a result stands.
func (r Result) Link() string { return "docs/protocol.md#" + r.Section }

// WriteLine writes one result for people.
func (r Result) WriteLine(w io.Writer) {
	mark := map[Outcome]string{Passed: "ok  ", Failed: "FAIL", Skipped: "skip"}[r.Outcome]
	if r.Outcome == Failed && r.Level == Should {
		mark = "warn"
	}
	fmt.Fprintf(w, "%s  %-34s %6.1f s\n", mark, r.Name, r.Took.Seconds())
	if r.Detail != "" {
		fmt.Fprintf(w, "      %s\n", r.Detail)
	}
	if r.Outcome == Failed {
		fmt.Fprintf(w, "      %s: %s\n", r.Level, r.Link())
	}
}

// WriteSummary writes the last lines of a run.
func (r Report) WriteSummary(w io.Writer) {
	count := map[Outcome]int{}
	for _, result := range r.Results {
		count[result.Outcome]++
	}
	fmt.Fprintf(w, "\n%s: %d passed, %d failed, %d skipped", r.Device, count[Passed], count[Failed], count[Skipped])
	if n := r.Broken(Should); n > 0 {
		fmt.Fprintf(w, " (%d of the failures are recommendations)", n)
	}
	fmt.Fprintln(w)
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Time    string      `xml:"time,attr"`
	Failure *junitNote  `xml:"failure,omitempty"`
	Skipped *junitNote  `xml:"skipped,omitempty"`
	Output  *junitCData `xml:"system-out,omitempty"`
}

type junitNote struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
}

type junitCData struct {
	Text string `xml:",cdata"`
}

// WriteJUnit writes the report as JUnit XML. A broken recommendation is output, not a failure.
func (r Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: "muster conform " + r.Device}
	var all time.Duration
	for _, result := range r.Results {
		c := junitCase{Name: result.Name, Class: result.Link(), Time: seconds(result.Took)}
		switch {
		case result.Outcome == Skipped:
			c.Skipped = &junitNote{Message: result.Detail}
			suite.Skipped++
		case result.Outcome == Failed && result.Level == Must:
			c.Failure = &junitNote{Message: result.Detail, Type: string(Must)}
			suite.Failures++
		case result.Outcome == Failed:
			c.Output = &junitCData{Text: "recommendation not kept: " + result.Detail}
		}
		suite.Cases = append(suite.Cases, c)
		suite.Tests++
		all += result.Took
	}
	suite.Time = seconds(all)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
