package api

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// Plan is how a release grows, and what stops it.
type Plan struct {
	Start  *time.Time `json:"start,omitempty" doc:"When it begins; absent: at once"`
	Stages Stages     `json:"stages" doc:"1 to 20; the last has a share of 100%"`
	Gate   *PlanGate  `json:"gate,omitempty" doc:"What each next stage takes; absent: only time"`
	Halt   *PlanHalt  `json:"halt,omitempty" doc:"What halts it, at any time; absent: nothing does"`
	OnHalt string     `json:"on_halt,omitempty" enum:"stop,revert,ask" default:"stop" doc:"stop: updated devices keep the version; revert: they return to what stood there before; ask: as stop, and an alert asks a person to resume, revert or finish it"`

	Windows []PlanWindow `json:"windows,omitempty" doc:"When updates may begin; absent: always"`
	Prefer  string       `json:"prefer,omitempty" enum:"representative" doc:"representative: a small first stage is spread over hardware revisions, versions that run, and gateways, as the target's devices are"`
	Limits  *PlanLimits  `json:"limits,omitempty" doc:"How many devices are updated; absent: as many as the server can"`
}

// Stages are the stages of a plan.
type Stages []PlanStage

// PlanStage is one step of a plan.
type PlanStage struct {
	Share   Percent `json:"share,omitzero" doc:"Devices of the target that get the version"`
	Devices int     `json:"devices,omitempty" doc:"In place of share: so many devices of the target, before any stage with a share"`
	Group   string  `json:"group,omitempty" doc:"In place of share, in the first stage: those of the target's devices that are in this group"`
	Hold    *Span   `json:"hold,omitempty" doc:"How long it is observed before the next stage; absent: 24h for the last stage, else 0s"`
	Approve bool    `json:"approve,omitempty" doc:"The next stage takes a person's approval"`
}

// UnmarshalJSON reads a list of stages. Errors are fleet.Invalid, also for unknown fields.
func (s *Stages) UnmarshalJSON(data []byte) error {
	type plain Stages
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if err := strict.Decode((*plain)(s)); err != nil {
		return fleet.Errorf(fleet.Invalid, "stages: %w; expected a list such as [{\"share\":\"10%%\",\"hold\":\"24h\"},{\"share\":\"100%%\"}]", err)
	}
	return nil
}

// PlanGate is what each next stage takes.
type PlanGate struct {
	Sample  int     `json:"sample,omitempty" doc:"Ended updates that it needs; fewer: it waits. A share in halt needs them too" default:"20"`
	Success Percent `json:"success" doc:"Confirmed updates, of those that ended"`
}

// PlanHalt is what halts a release.
type PlanHalt struct {
	Failures *Bar  `json:"failures,omitempty" doc:"Updates that failed or were rolled back"`
	Lost     *Bar  `json:"lost,omitempty" doc:"Devices that restarted into the version and were not heard of again in time"`
	Return   *Span `json:"return,omitempty" doc:"That time; absent: 30m"`

	Unhealthy *Bar  `json:"unhealthy,omitempty" doc:"Updated devices with an alert, or more than 3 handshakes in an hour, soon after; less what is usual for devices that were not updated in the same time"`
	Soak      *Span `json:"soak,omitempty" doc:"How soon; absent: 1h"`
}

// Percent is a share in JSON: a text such as "12.5%".
type Percent struct{ fleet.Share }

// MarshalJSON writes "12.5%".
func (p Percent) MarshalJSON() ([]byte, error) { return json.Marshal(p.text()) }

func (p Percent) text() string {
	text := p.String()
	return text[:len(text)-len(" %")] + "%"
}

// UnmarshalJSON reads "12.5%". Errors are fleet.Invalid.
func (p *Percent) UnmarshalJSON(data []byte) (err error) {
	var text string
	if json.Unmarshal(data, &text) != nil {
		return fleet.Errorf(fleet.Invalid, "expected a percentage as a text, such as \"10%%\"")
	}
	p.Share, err = fleet.ParseShare(text)
	return err
}

// Schema describes a text.
func (Percent) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Description: "A percentage with up to two decimals", Examples: []any{"10%", "0.5%"}}
}

// Bar is a limit on devices in JSON: a percentage such as "5%", or a number.
type Bar struct{ fleet.Bar }

// MarshalJSON writes "5%" or 3.
func (b Bar) MarshalJSON() ([]byte, error) {
	if b.Devices > 0 {
		return json.Marshal(b.Devices)
	}
	return Percent{b.Share}.MarshalJSON()
}

// UnmarshalJSON reads "5%" or 3. Errors are fleet.Invalid.
func (b *Bar) UnmarshalJSON(data []byte) error {
	b.Bar = fleet.Bar{}
	if json.Unmarshal(data, &b.Devices) == nil && b.Devices > 0 {
		return nil
	}
	var share Percent
	if err := share.UnmarshalJSON(data); err != nil || share.Share == 0 {
		return fleet.Errorf(fleet.Invalid, "expected a percentage such as \"5%%\", or a number of devices such as 3")
	}
	b.Bar = fleet.Bar{Share: share.Share}
	return nil
}

// Schema describes a text or a number.
func (Bar) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "A percentage of the devices whose update ended, or a number of devices",
		OneOf:       []*huma.Schema{{Type: "string"}, {Type: "integer"}}, Examples: []any{"5%", 3},
	}
}

// Span is a time span in JSON: a text such as "90m" or "24h".
type Span struct{ time.Duration }

// MarshalJSON writes "24h0m0s".
func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads "24h". Errors are fleet.Invalid.
func (s *Span) UnmarshalJSON(data []byte) (err error) {
	var text string
	if json.Unmarshal(data, &text) == nil {
		if s.Duration, err = time.ParseDuration(text); err == nil && s.Duration >= 0 {
			return nil
		}
	}
	return fleet.Errorf(fleet.Invalid, "expected a time span as a text, such as \"30m\" or \"24h\"")
}

// Schema describes a text.
func (Span) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Description: "A time span in h, m and s", Examples: []any{"24h", "30m"}}
}

const (
	defaultSample = 20
	defaultReturn = 30 * time.Minute
	defaultSoak   = time.Hour
	lastHold      = 24 * time.Hour
)

// Fleet returns the plan with defaults for what is absent. group finds a group by its name.
// Errors are group's, and fleet.Invalid; the rest of what may be wrong with a plan is up to the
// release.
func (p Plan) Fleet(group func(name string) (fleet.GroupID, error)) (fleet.ReleasePlan, error) {
	out := fleet.ReleasePlan{
		Sample: defaultSample, Revert: p.OnHalt == "revert", Ask: p.OnHalt == "ask",
		Halt: fleet.ReleaseHalt{Return: defaultReturn, Soak: defaultSoak}, Limits: p.Limits.fleet(),
	}
	if p.OnHalt != "" && p.OnHalt != "stop" && !out.Revert && !out.Ask {
		return out, fleet.FieldErrorf("plan.on_halt", "%.40q: use stop, revert or ask", p.OnHalt)
	}
	if out.Spread = p.Prefer == "representative"; p.Prefer != "" && !out.Spread {
		return out, fleet.FieldErrorf("plan.prefer", "%.40q: use representative, or leave it out", p.Prefer)
	}
	for i, w := range p.Windows {
		window, err := w.fleet()
		if err != nil {
			return out, fleet.FieldErrorf("plan.windows", "window %d: %v", i+1, err)
		}
		out.Windows = append(out.Windows, window)
	}
	if p.Start != nil {
		out.Start = p.Start.UTC()
	}
	for i, stage := range p.Stages {
		s := fleet.ReleaseStage{Share: stage.Share.Share, Devices: stage.Devices, Approve: stage.Approve}
		if stage.Group != "" {
			var err error
			if s.Group, err = group(stage.Group); err != nil {
				return out, err
			}
		}
		if i == len(p.Stages)-1 {
			s.Hold = lastHold
		}
		if stage.Hold != nil {
			s.Hold = stage.Hold.Duration
		}
		out.Stages = append(out.Stages, s)
	}
	if p.Gate != nil {
		if out.Gate = p.Gate.Success.Share; p.Gate.Sample != 0 {
			out.Sample = p.Gate.Sample
		}
	}
	if h := p.Halt; h != nil {
		if h.Failures != nil {
			out.Halt.Failures = h.Failures.Bar
		}
		if h.Lost != nil {
			out.Halt.Lost = h.Lost.Bar
		}
		if h.Return != nil {
			out.Halt.Return = h.Return.Duration
		}
		if h.Unhealthy != nil {
			out.Halt.Unhealthy = h.Unhealthy.Bar
		}
		if h.Soak != nil {
			out.Halt.Soak = h.Soak.Duration
		}
	}
	return out, nil
}

// PlanOf is the inverse of Fleet, with nothing absent that counts, except for groups that names
// lacks.
func PlanOf(p fleet.ReleasePlan, names map[fleet.GroupID]string) Plan {
	out := Plan{OnHalt: "stop", Gate: nil, Halt: &PlanHalt{Return: &Span{p.Halt.Return}}, Limits: limitsOf(p.Limits)}
	switch {
	case p.Revert:
		out.OnHalt = "revert"
	case p.Ask:
		out.OnHalt = "ask"
	}
	if p.Spread {
		out.Prefer = "representative"
	}
	for _, w := range p.Windows {
		out.Windows = append(out.Windows, windowOf(w))
	}
	if p.Halt.Unhealthy != (fleet.Bar{}) {
		out.Halt.Unhealthy, out.Halt.Soak = &Bar{p.Halt.Unhealthy}, &Span{p.Halt.Soak}
	}
	if !p.Start.IsZero() {
		out.Start = &p.Start
	}
	for _, stage := range p.Stages {
		out.Stages = append(out.Stages, PlanStage{Share: Percent{stage.Share}, Devices: stage.Devices, Group: names[stage.Group], Hold: &Span{stage.Hold}, Approve: stage.Approve})
	}
	if p.Gate > 0 {
		out.Gate = &PlanGate{Sample: p.Sample, Success: Percent{p.Gate}}
	}
	if p.Halt.Failures != (fleet.Bar{}) {
		out.Halt.Failures = &Bar{p.Halt.Failures}
	}
	if p.Halt.Lost != (fleet.Bar{}) {
		out.Halt.Lost = &Bar{p.Halt.Lost}
	}
	return out
}
