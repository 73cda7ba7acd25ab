package console

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// rolloutBody is the page of one release with a plan.
type rolloutBody struct {
	rolloutRow
	Page string // its address
	May  bool   // the actor may act on it
}

// burnPart is a part of the bar that shows what became of a release's devices.
type burnPart struct {
	Name, Class string
	Devices     int
	Query       template.URL // of the list of these devices, "" if there is none
	X, Width    float64      // of 1000
}

// Live reports whether its devices are counted.
func (b rolloutBody) Live() bool { return !b.State.Over() && b.Over == 0 }

// Burn is the parts of the bar.
func (b rolloutBody) Burn() (parts []burnPart) {
	n := b.Counts
	loading := n.Updating[fleet.Offered] + n.Updating[fleet.Downloading] + n.Updating[fleet.Stored]
	waiting := 0
	for _, devices := range n.Waiting {
		waiting += devices
	}
	ran := max(0, n.Running-n.Confirmed)
	parts = []burnPart{
		{Name: "confirmed", Class: "good", Devices: n.Confirmed, Query: b.query(fleet.PartConfirmed, "")},
		{Name: "ran it already", Class: "ran", Devices: ran},
		{Name: "applying", Class: "applying", Devices: n.Updating[fleet.Applying], Query: b.inState(fleet.Applying)},
		{Name: "downloading", Class: "live", Devices: loading, Query: b.inState("receiving")},
		{Name: "failed", Class: "bad", Devices: n.Failed, Query: b.query(fleet.PartFailed, "")},
		{Name: "lost", Class: "lost", Devices: n.Lost, Query: b.inState(fleet.Applying)},
		{Name: "waiting", Class: "waiting", Devices: waiting, Query: b.query(fleet.PartWaiting, "")},
	}
	total := 0
	for _, p := range parts {
		total += p.Devices
	}
	rest := "in later stages"
	if b.State == fleet.ReleaseHalted || b.State == fleet.ReleaseReverting {
		rest = "not reached"
	}
	parts = append(parts, burnPart{Name: rest, Class: "later", Devices: max(0, n.Reach-total)})
	total = max(total, n.Reach)
	x := 0.0
	for i := range parts {
		parts[i].X, parts[i].Width = x, 1000*float64(parts[i].Devices)/float64(max(total, 1))
		x += parts[i].Width
	}
	return parts
}

// query is the filter of the list of devices for a part of the release.
func (b rolloutBody) query(part fleet.ReleasePart, cause string) template.URL {
	q := url.Values{"release": {b.ID.String()}, "part": {string(part)}}
	if cause != "" {
		q.Set("cause", cause)
	}
	return encoded(q)
}

// inState is the filter for devices that the release is updating, in a state.
func (b rolloutBody) inState(state any) template.URL {
	return encoded(url.Values{"release": {b.ID.String()}, "part": {string(fleet.PartUpdating)}, "update": {fmt.Sprint(state)}})
}

// cause is why some devices wait.
type cause struct {
	Word    string
	Devices int
	Query   template.URL
}

// Causes are why devices wait, the most frequent first.
func (b rolloutBody) Causes() (list []cause) {
	for _, word := range slices.Sorted(maps.Keys(b.Counts.Waiting)) {
		if n := b.Counts.Waiting[word]; n > 0 {
			list = append(list, cause{word, n, b.query(fleet.PartWaiting, word)})
		}
	}
	slices.SortStableFunc(list, func(a, b cause) int { return cmp.Compare(b.Devices, a.Devices) })
	return list
}

// gauge is a number against its bar.
type gauge struct {
	Name, Is, Needs string
	Good            bool
}

// Gauges are the numbers of the gate and of what halts the release, against their bars.
func (b rolloutBody) Gauges() (list []gauge) {
	n, p := b.Counts, b.Plan
	ended := n.Ended()
	if p.Gate > 0 {
		enough := ended >= p.Sample
		list = append(list,
			gauge{"Ended updates", humane.Number(ended), "at least " + humane.Number(p.Sample), enough},
			gauge{"Confirmed of ended", percent(n.Confirmed, ended), "at least " + p.Gate.String(), enough && n.Confirmed*int(fleet.Whole) >= ended*int(p.Gate)})
	}
	counted := ended - b.Forgive.Failed - b.Forgive.Lost
	for _, halt := range []struct {
		name    string
		devices int
		bar     fleet.Bar
	}{{"Failed or rolled back", n.Failed - b.Forgive.Failed, p.Halt.Failures}, {"Lost", n.Lost - b.Forgive.Lost, p.Halt.Lost}} {
		words := barWords(halt.bar)
		if words == "" {
			continue
		}
		is, good := humane.Number(halt.devices), halt.devices < halt.bar.Devices
		if halt.bar.Share > 0 {
			is = percent(halt.devices, counted) + ": " + is
			good = counted < p.Sample || halt.devices*int(fleet.Whole) <= counted*int(halt.bar.Share)
			words += fmt.Sprintf(" of %s ended updates or more", humane.Number(p.Sample))
		}
		list = append(list, gauge{halt.name, is, "halts at " + words, good})
	}
	return list
}

func percent(part, of int) string {
	if of <= 0 {
		return "none yet"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}

// stageRow is a stage with where the release stands in it.
type stageRow struct {
	fleet.ReleaseStage
	Done, Now bool
	Left      time.Duration // of the current one
}

// Steps are the stages of the plan.
func (b rolloutBody) Steps() (rows []stageRow) {
	for i, stage := range b.Plan.Stages {
		row := stageRow{ReleaseStage: stage, Done: i < b.Stage || b.State == fleet.ReleaseDone, Now: i == b.Stage && !b.State.Over()}
		if row.Now {
			row.Left = max(0, stage.Hold-b.Held)
		}
		rows = append(rows, row)
	}
	return rows
}

// Ends is when the release is expected to end, and what decides that; "" when unknown.
func (b rolloutBody) Ends() string { return ends(b.ReleaseView, time.Now()) }

func ends(r fleet.ReleaseView, now time.Time) string {
	if r.State != fleet.ReleaseRunning && r.State != fleet.ReleaseWaiting || r.Over != 0 {
		return ""
	}
	left, asks := max(0, r.Plan.Stages[r.Stage].Hold-r.Held), 0
	for i, stage := range r.Plan.Stages[r.Stage:] {
		if i > 0 {
			left += stage.Hold
		}
		if stage.Approve {
			asks++
		}
	}
	text := "by its plan in " + humane.Lasting(left)
	if asks > 0 {
		text += fmt.Sprintf(", not counting %s", humane.Count(asks, "approval"))
	}
	rest := r.Counts.Reach - r.Counts.Running - r.Counts.Failed - r.Counts.Lost
	if age := now.Sub(r.Created); r.Counts.Confirmed > 0 && rest > 0 && age > 0 {
		need := time.Duration(float64(age) / float64(r.Counts.Confirmed) * float64(rest))
		text += fmt.Sprintf("; at the pace so far the other %s take %s", humane.Count(rest, "device"), humane.Lasting(need))
		left = max(left, need)
	}
	return now.Add(left).UTC().Format("2006-01-02 15:04") + " UTC: " + text
}

// releaseMood is the CSS class for a release's state.
func releaseMood(s fleet.ReleaseState) string {
	switch s {
	case fleet.ReleaseRunning, fleet.ReleaseReverting:
		return "live"
	case fleet.ReleaseDone:
		return "good"
	case fleet.ReleaseHalted, fleet.ReleaseReverted:
		return "bad"
	case fleet.ReleaseWaiting, fleet.ReleasePaused:
		return "hold"
	}
	return "quiet"
}

// Rules are the gate and the bars of a plan, a sentence each.
func (f planForm) Rules() (rules []string) {
	p, err := f.plan()
	if err != nil || p == nil {
		return nil
	}
	return rulesOf(*p)
}

// Rules are the gate and the bars of the release's plan, a sentence each.
func (b rolloutBody) Rules() []string { return rulesOf(b.Plan) }

func rulesOf(p fleet.ReleasePlan) (rules []string) {
	if p.Gate > 0 {
		rules = append(rules, fmt.Sprintf("The next stage begins when at least %s of %s or more ended updates are confirmed.", p.Gate, humane.Number(p.Sample)))
	} else {
		rules = append(rules, "The next stage begins when its time is over: there is no gate.")
	}
	halts := []string{}
	if words := barWords(p.Halt.Failures); words != "" {
		halts = append(halts, words+" fail")
	}
	if words := barWords(p.Halt.Lost); words != "" {
		halts = append(halts, words+" are lost (not heard of for "+humane.Lasting(p.Halt.Return)+" after the restart)")
	}
	if words := barWords(p.Halt.Unhealthy); words != "" {
		halts = append(halts, words+" are unhealthy within "+humane.Lasting(p.Halt.Soak)+" after the update")
	}
	switch {
	case len(halts) == 0:
		rules = append(rules, "Nothing halts it by itself.")
	case p.Ask:
		rules = append(rules, "It halts, and an alert asks a person, when "+join(halts, " or ")+".")
	case p.Revert:
		rules = append(rules, "It halts and is taken back when "+join(halts, " or ")+".")
	default:
		rules = append(rules, "It halts when "+join(halts, " or ")+". Devices that have the version keep it then.")
	}
	return append(rules, paceRules(p)...)
}
