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
	OnHalt string     `json:"on_halt,omitempty" enum:"stop,revert" default:"stop" doc:"stop: updated devices keep the version; revert: they return to what stood there before"`
}

// Stages are the stages of a plan.
type Stages []PlanStage

// PlanStage is one step of a plan.
type PlanStage struct {
	Share   Percent `json:"share" doc:"Devices of the target that get the version"`
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
	lastHold      = 24 * time.Hour
)

// Fleet returns the plan with defaults for what is absent. Errors are fleet.Invalid; the rest of
// what may be wrong with a plan is up to fleet.ReleasePlan.Check.
func (p Plan) Fleet() (fleet.ReleasePlan, error) {
	out := fleet.ReleasePlan{Sample: defaultSample, Revert: p.OnHalt == "revert", Halt: fleet.ReleaseHalt{Return: defaultReturn}}
	if p.OnHalt != "" && p.OnHalt != "stop" && p.OnHalt != "revert" {
		return out, fleet.FieldErrorf("plan.on_halt", "%.40q: use stop or revert", p.OnHalt)
	}
	if p.Start != nil {
		out.Start = p.Start.UTC()
	}
	for i, stage := range p.Stages {
		s := fleet.ReleaseStage{Share: stage.Share.Share, Approve: stage.Approve}
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
	}
	return out, nil
}

// PlanOf is the inverse of Fleet, with nothing absent that counts.
func PlanOf(p fleet.ReleasePlan) Plan {
	out := Plan{OnHalt: "stop", Gate: nil, Halt: &PlanHalt{Return: &Span{p.Halt.Return}}}
	if p.Revert {
		out.OnHalt = "revert"
	}
	if !p.Start.IsZero() {
		out.Start = &p.Start
	}
	for _, stage := range p.Stages {
		out.Stages = append(out.Stages, PlanStage{Share: Percent{stage.Share}, Hold: &Span{stage.Hold}, Approve: stage.Approve})
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
