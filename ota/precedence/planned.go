package precedence

import (
	"fmt"
	"time"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// The gates in this file are those of a release's plan: when updates may begin, and how many
// devices are updated at the same time. Waiting for them is free. They do not apply to
// other firmware, nor once an update is under way: then their step is zero.

// By makes r, of the candidate's catalog, the release that gives its target.
func (c *Candidate) By(r *fleet.Release) { c.Plan = &r.Plan }

// Full is a limit of a plan that leaves no room for a device now; zero: there is room.
type Full struct {
	Limit     string // one of the names below
	Count, Of int    // devices that it counts, and allows
	Again     time.Duration
}

// The limits, and LimitUnknown while devices are not counted yet.
const (
	LimitAtOnce  = "at_once"
	LimitHourly  = "hourly"
	LimitGroup   = "group_limit"
	LimitGateway = "gateway_limit"
	LimitUnknown = "counting"
)

// maxSpread bounds how long after a window opened a device may be asked to say Hello again.
const maxSpread = 10 * time.Minute

func inWindow(c *Candidate) Refusal {
	if c.Plan == nil || c.Begun || len(c.Plan.Windows) == 0 {
		return Refusal{}
	}
	opens, known := calendar.Next(c.Plan.Windows, c.Zone, c.Now)
	switch {
	case !known:
		return hold(Step{Rule: RuleWindow}, wire.ReasonNotNow)
	case opens.After(c.Now):
		r := hold(Step{Rule: RuleWindow, At: opens}, wire.ReasonNotNow)
		r.Again = opens.Sub(c.Now) + time.Duration(float64(c.hash)/(1<<32)*float64(maxSpread))
		return r
	}
	return pass(Step{Rule: RuleWindow})
}

func hasRoom(c *Candidate) Refusal {
	if c.Plan == nil || c.Begun || c.Plan.Limits == (fleet.ReleaseLimits{}) || c.Room == nil {
		return Refusal{}
	}
	full := c.Room()
	if full.Limit == "" {
		return pass(Step{Rule: RuleLimits})
	}
	r := hold(Step{Rule: RuleLimits, Text: full.Limit, Places: Share{int64(full.Count), int64(full.Of)}}, wire.ReasonBusy)
	r.Again = full.Again
	return r
}

// Waits is why c's plan lets it wait now: "window", "zone_unknown", a limit, or "" when it does
// not.
func (c *Candidate) Waits() string {
	switch r := inWindow(c); {
	case r.Reason != wire.ReasonNone && r.Step.At.IsZero():
		return "zone_unknown"
	case r.Reason != wire.ReasonNone:
		return "window"
	}
	if c.Plan == nil || c.Begun || c.Room == nil {
		return ""
	}
	return c.Room().Limit
}

func (s Step) window(moment Moment) string {
	switch {
	case s.Outcome == Passes:
		return "updates may begin at this time"
	case s.At.IsZero():
		return `the release has windows in each device's own time zone, and the device reports none (fact "tz")`
	}
	return "outside the release's windows; the next one opens " + moment("at", s.At)
}

func (s Step) limits() string {
	if s.Outcome == Passes {
		return "within the release's limits"
	}
	switch s.Text {
	case LimitAtOnce:
		return fmt.Sprintf("the release updates %d devices at once, and %d are being updated", s.Places.Of, s.Places.Count)
	case LimitHourly:
		return fmt.Sprintf("the release begins %d devices an hour: others are first", s.Places.Of)
	case LimitGateway:
		return fmt.Sprintf("behind its gateway %d may be updated at once, and %d are", s.Places.Of, s.Places.Count)
	case LimitGroup:
		return fmt.Sprintf("of one of its groups %d may be updated at once, and %d are", s.Places.Of, s.Places.Count)
	}
	return "the release's devices are being counted"
}
