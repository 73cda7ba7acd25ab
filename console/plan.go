package console

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/ota/release"
)

// The presets of a plan: what the form of a release begins with.
const (
	planOnce    = "once"    // to every device at once: no plan
	planCareful = "careful" // fleet.CarefulPlan
	planCanary  = "canary"  // first to one group, watched, and to the target afterwards
)

// preset is a plan to begin with.
type preset struct{ Value, Title, Text string }

var presets = []preset{
	{planOnce, "All at once", "Every device gets the version. Nothing stops it by itself."},
	{planCareful, "Careful", "1 %, 10 %, 50 %, then everyone. Each stage is watched, and too many failures halt it."},
	{planCanary, "Canary group first", "One group gets it and is watched. The rest follows when you release it to them."},
}

// planForm is the form of a plan, as it was filled in.
type planForm struct {
	Preset                                  string
	Canary                                  string // group that gets the version first, with planCanary
	Stages                                  []stageForm
	Success, Sample, Failures, Lost, Return string
	Unhealthy, Soak                         string
	OnHalt                                  string // stop, revert or ask
	Start                                   string // UTC, as browsers send a local time
	Spread                                  bool
	paceForm
}

// stageForm is a row of the form.
type stageForm struct {
	Share, Hold string
	Approve     bool
}

// startLayout is how browsers send a date and time.
const startLayout = "2006-01-02T15:04"

// defaultSoak is how long updated devices are watched where the form has a bar and no time.
const defaultSoak = time.Hour

// spareStages are empty rows at the end of the form, for further stages.
const spareStages = 2

// Staged reports whether the release has a plan.
func (f planForm) Staged() bool { return f.Preset != planOnce }

// Rows are the stages, and empty rows for further ones.
func (f planForm) Rows() []stageForm { return append(f.Stages, make([]stageForm, spareStages)...) }

// planForm reads the plan of a release. Without stages it is that of the chosen preset.
func (v *visit) planForm() planForm {
	f := planForm{Preset: v.text("plan"), Canary: v.text("canary")}
	if v.text("preset") != "" { // another one was chosen: what was filled in belongs to the one before
		return presetForm(v.text("preset"), f.Canary)
	}
	shares := v.r.Form["share"]
	if f.Preset == "" || len(shares) == 0 {
		return presetForm(f.Preset, f.Canary)
	}
	for i, share := range shares {
		stage := stageForm{Share: strings.TrimSpace(share), Approve: v.text("approve"+strconv.Itoa(i)) != ""}
		if holds := v.r.Form["hold"]; i < len(holds) {
			stage.Hold = strings.TrimSpace(holds[i])
		}
		if stage != (stageForm{}) {
			f.Stages = append(f.Stages, stage)
		}
	}
	f.Success, f.Sample, f.Failures, f.Lost = v.text("success"), v.text("sample"), v.text("failures"), v.text("lost")
	f.Return, f.OnHalt, f.Start = v.text("return"), v.text("on_halt"), v.text("start")
	f.Unhealthy, f.Soak, f.Spread, f.paceForm = v.text("unhealthy"), v.text("soak"), v.text("spread") != "", v.paceForm()
	return f
}

// presetForm is a preset's form; an unknown one is planOnce.
func presetForm(name, canary string) planForm {
	switch name {
	case planCareful:
		return formOf(name, "", fleet.CarefulPlan())
	case planCanary:
		p := fleet.CarefulPlan()
		p.Stages = p.Stages[len(p.Stages)-1:]
		return formOf(name, canary, p)
	}
	return planForm{Preset: planOnce}
}

func formOf(name, canary string, p fleet.ReleasePlan) planForm {
	f := planForm{
		Preset: name, Canary: canary, Success: p.Gate.String(), Sample: strconv.Itoa(p.Sample), Failures: bar(p.Halt.Failures), Lost: bar(p.Halt.Lost),
		Return: holdText(p.Halt.Return), Unhealthy: bar(p.Halt.Unhealthy), Soak: holdText(p.Halt.Soak), OnHalt: "stop",
		Spread: p.Spread, paceForm: paceFormOf(p),
	}
	switch {
	case p.Revert:
		f.OnHalt = "revert"
	case p.Ask:
		f.OnHalt = "ask"
	}
	for _, stage := range p.Stages {
		f.Stages = append(f.Stages, stageForm{stage.Share.String(), holdText(stage.Hold), stage.Approve})
	}
	return f
}

// plan returns the plan that the form describes, nil for none. Errors are fleet.Invalid.
func (f planForm) plan() (*fleet.ReleasePlan, error) {
	if !f.Staged() {
		return nil, nil
	}
	p := fleet.CarefulPlan()
	p.Stages, p.Gate, p.Halt.Failures, p.Halt.Lost = nil, 0, fleet.Bar{}, fleet.Bar{}
	p.Revert, p.Ask, p.Spread = f.OnHalt == "revert", f.OnHalt == "ask", f.Spread
	var err error
	for _, row := range f.Stages {
		stage := fleet.ReleaseStage{Approve: row.Approve}
		if stage.Share, err = share(row.Share); err != nil {
			return nil, err
		}
		if stage.Hold, err = hold(row.Hold); err != nil {
			return nil, err
		}
		p.Stages = append(p.Stages, stage)
	}
	if f.Success != "" {
		if p.Gate, err = share(f.Success); err != nil {
			return nil, err
		}
	}
	if f.Sample != "" {
		if p.Sample, err = strconv.Atoi(f.Sample); err != nil {
			return nil, fleet.FieldErrorf("sample", "sample %.20q: use a whole number of ended updates", f.Sample)
		}
	}
	if p.Halt.Failures, err = readBar(f.Failures); err != nil {
		return nil, err
	}
	if p.Halt.Lost, err = readBar(f.Lost); err != nil {
		return nil, err
	}
	if f.Return != "" {
		if p.Halt.Return, err = hold(f.Return); err != nil {
			return nil, err
		}
	}
	if p.Halt.Unhealthy, err = readBar(f.Unhealthy); err != nil {
		return nil, err
	}
	if p.Halt.Soak, err = hold(f.Soak); err != nil {
		return nil, err
	}
	if p.Halt.Soak == 0 && p.Halt.Unhealthy != (fleet.Bar{}) {
		p.Halt.Soak = defaultSoak
	}
	if err := f.pace(&p); err != nil {
		return nil, err
	}
	if f.Start != "" {
		if p.Start, err = time.Parse(startLayout, f.Start); err != nil {
			return nil, fleet.FieldErrorf("start", "start %.40q: use a date and a time", f.Start)
		}
	}
	return &p, release.CheckPlan(&p)
}

// share reads "10 %", "10%" and "10".
func share(text string) (fleet.Share, error) {
	if text != "" && !strings.HasSuffix(text, "%") {
		text += "%"
	}
	return fleet.ParseShare(text)
}

// hold reads a time span, also in days.
func hold(text string) (time.Duration, error) {
	text = strings.ReplaceAll(text, " ", "")
	if text == "" {
		return 0, nil
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil //nolint:gosec // 16 bits
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fleet.FieldErrorf("hold", "%.20q is not a time span: use 30m, 24h or 2d", text)
	}
	return d, nil
}

// holdText is the inverse of hold.
func holdText(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// readBar reads "5 %", or a number of devices.
func readBar(text string) (fleet.Bar, error) {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return fleet.Bar{Devices: n}, nil
	}
	if text == "" {
		return fleet.Bar{}, nil
	}
	s, err := fleet.ParseShare(text)
	if err != nil || s == 0 {
		return fleet.Bar{}, fleet.Errorf(fleet.Invalid, "%.20q is not a bar: use a percentage such as 5%%, or a number of devices such as 3", text)
	}
	return fleet.Bar{Share: s}, nil
}

// bar is the inverse of readBar.
func bar(b fleet.Bar) string {
	switch {
	case b.Devices > 0:
		return strconv.Itoa(b.Devices)
	case b.Share > 0:
		return b.Share.String()
	}
	return ""
}

// barWords is a bar in a sentence, "" for none.
func barWords(b fleet.Bar) string {
	if b.Devices > 0 {
		return humane.Count(b.Devices, "device")
	}
	if b.Share > 0 {
		return "more than " + b.Share.String()
	}
	return ""
}

// values are the fields of the plan, for an address or a form.
func (f planForm) values() url.Values {
	q := url.Values{"plan": {f.Preset}}
	if !f.Staged() {
		return q
	}
	for i, stage := range f.Stages {
		q.Add("share", stage.Share)
		q.Add("hold", stage.Hold)
		if stage.Approve {
			q.Set("approve"+strconv.Itoa(i), "yes")
		}
	}
	for name, text := range map[string]string{
		"canary": f.Canary, "success": f.Success, "sample": f.Sample, "failures": f.Failures, "lost": f.Lost, "return": f.Return, "start": f.Start,
		"unhealthy": f.Unhealthy, "soak": f.Soak, "windows": f.Windows, "at_once": f.AtOnce, "rate": f.Rate, "max_rate": f.MostRate,
		"per_group": f.PerGroup, "per_gateway": f.PerGateway,
	} {
		if text != "" {
			q.Set(name, text)
		}
	}
	if f.OnHalt == "revert" || f.OnHalt == "ask" {
		q.Set("on_halt", f.OnHalt)
	}
	if f.Spread {
		q.Set("spread", "yes")
	}
	return q
}

// Fields are the values, for hidden fields.
func (f planForm) Fields() url.Values { return f.values() }

// Query is the values as the query of an address.
func (f planForm) Query() template.URL { return encoded(f.values()) }
