package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// planFlags make a plan: from a file, from the preset, or stage by stage. Bars given as flags
// apply to each of them.
type planFlags struct {
	Plan     string     `help:"Read the plan from a YAML or JSON file; - for standard input." placeholder:"FILE"`
	Careful  bool       `help:"1% for 24h, 10% for 24h, 50% for 4h, then all; 98% of at least 20 updates have to be confirmed, and it halts above 5% failures or 2% lost devices."`
	Stage    []planStep `help:"A stage: a share, a number of devices or (first) a group, how long it is held, and whether a person has to approve the next one, as in 10%:24h, 20:24h, canary:24h or 50%:4h:approve. Repeat for several; 100% is added at the end." placeholder:"SHARE:HOLD"`
	Success  *percent   `help:"Go on only if this many of the updates that ended are confirmed, as in 98%." placeholder:"SHARE"`
	Sample   int        `help:"Updates that have to end before a share of them counts." placeholder:"N"`
	Failures *limitText `help:"Halt when more devices fail or roll back than this share, as in 5%, or at this number." placeholder:"BAR"`
	Lost     *limitText `help:"Halt when more devices than this don't return from their restart: a share or a number." placeholder:"BAR"`
	Revert   bool       `help:"When it halts, devices that were updated return to what they ran before." xor:"halt"`
	Ask      bool       `help:"When it halts, an alert asks a person to resume, revert or finish it." xor:"halt"`

	Unhealthy *limitText   `help:"Halt when more updated devices than this have alerts or many handshakes soon after, beyond what is usual for the others: a share or a number." placeholder:"BAR"`
	Window    []windowText `help:"Begin updates only at this time, as in mon-fri/01:00-05:00/Europe/Berlin or 22:00-04:00/device. Days and zone (UTC) may be left out; device is the zone that each device reports. Repeat for several." placeholder:"DAYS/FROM-TO/ZONE"`
	AtOnce    int          `help:"Devices being updated at the same time." placeholder:"N"`
	Rate      *rateText    `help:"Devices begun in a minute or an hour, as in 500/min or 100/h." placeholder:"RATE"`
	MaxRate   *rateText    `help:"What --rate grows to, by half with each batch of devices that are confirmed, as in 2000/min." placeholder:"RATE"`
	PerGroup  *percent     `help:"Of the online devices of each group, those being updated at the same time, as in 10%." placeholder:"SHARE"`

	PerGateway     int  `help:"Devices behind each gateway being updated at the same time." placeholder:"N"`
	Representative bool `help:"Spread a small first stage over hardware revisions, versions that run, and gateways, as the target's devices are."`

	Start string `help:"When it begins, as in 2026-12-01T02:00:00Z; at once if absent." placeholder:"TIME"`
}

// planStep is a stage on the command line.
type planStep struct{ api.PlanStage }

// UnmarshalText reads 10%, 10%:24h or 10%:24h:approve, where a number of devices or the name of a
// group may stand in place of 10%.
func (s *planStep) UnmarshalText(text []byte) (err error) {
	extent, rest, held := strings.Cut(string(text), ":")
	if n, no := strconv.Atoi(extent); no == nil {
		s.Devices = n
	} else if !strings.HasSuffix(extent, "%") {
		s.Group = extent
	} else if s.Share.Share, err = fleet.ParseShare(extent); err != nil {
		return err
	}
	if !held {
		return nil
	}
	hold, approve, _ := strings.Cut(rest, ":")
	length, err := time.ParseDuration(hold)
	if err != nil || length < 0 || approve != "" && approve != "approve" {
		return fmt.Errorf("%q is not a stage: use a share, and how long it is held, as in 10%%:24h or 10%%:24h:approve", text)
	}
	s.Hold, s.Approve = &api.Span{Duration: length}, approve != ""
	return nil
}

// windowText is a window on the command line.
type windowText struct{ api.PlanWindow }

// UnmarshalText reads mon-fri/01:00-05:00/Europe/Berlin, without days and zone too.
func (w *windowText) UnmarshalText(text []byte) error {
	rest := string(text)
	if first, after, more := strings.Cut(rest, "/"); more && !strings.Contains(first, ":") {
		w.Days, rest = first, after
	}
	hours, zone, _ := strings.Cut(rest, "/")
	from, to, ok := strings.Cut(hours, "-")
	if !ok {
		return fmt.Errorf("%q is not a window: use days, hours and a zone, as in mon-fri/01:00-05:00/Europe/Berlin", text)
	}
	w.From, w.To, w.Zone = from, to, zone
	return nil
}

// rateText is a rate on the command line.
type rateText struct{ api.Rate }

// UnmarshalText reads 500/min or 100/h.
func (r *rateText) UnmarshalText(text []byte) (err error) {
	r.Rate, err = api.ParseRate(string(text))
	return err
}

// percent is a share on the command line.
type percent struct{ fleet.Share }

// UnmarshalText reads 98%.
func (p *percent) UnmarshalText(text []byte) (err error) {
	p.Share, err = fleet.ParseShare(string(text))
	return err
}

// limitText is a bar on the command line.
type limitText struct{ api.Bar }

// UnmarshalText reads 5% or 3.
func (l *limitText) UnmarshalText(text []byte) error {
	if bytes.HasSuffix(text, []byte("%")) {
		text = fmt.Appendf(nil, "%q", text)
	}
	return l.UnmarshalJSON(text)
}

// plan returns the plan that the flags describe. Errors are misuse.
func (f *planFlags) plan() (p *api.Plan, err error) {
	ways := 0
	for _, given := range []bool{f.Plan != "", f.Careful, len(f.Stage) > 0} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return nil, Misuse("which plan? Give one of --careful, --stage SHARE:HOLD or --plan FILE; to release to every device at once, use muster firmware release")
	}
	switch {
	case f.Plan != "":
		if p, err = readPlan(f.Plan); err != nil {
			return nil, err
		}
	case f.Careful:
		careful := api.PlanOf(fleet.CarefulPlan(), nil)
		p = &careful
	default:
		p = &api.Plan{}
		for _, step := range f.Stage {
			p.Stages = append(p.Stages, step.PlanStage)
		}
		if p.Stages[len(p.Stages)-1].Share.Share != fleet.Whole {
			p.Stages = append(p.Stages, api.PlanStage{Share: api.Percent{Share: fleet.Whole}})
		}
	}
	return p, f.apply(p)
}

// apply sets what flags give in p.
func (f *planFlags) apply(p *api.Plan) error {
	if f.Success != nil || f.Sample != 0 {
		gate := api.PlanGate{}
		if p.Gate != nil {
			gate = *p.Gate
		}
		if f.Success != nil {
			gate.Success.Share = f.Success.Share
		}
		if f.Sample != 0 {
			gate.Sample = f.Sample
		}
		p.Gate = &gate
	}
	if f.Failures != nil || f.Lost != nil || f.Unhealthy != nil {
		halt := api.PlanHalt{}
		if p.Halt != nil {
			halt = *p.Halt
		}
		if f.Failures != nil {
			halt.Failures = &f.Failures.Bar
		}
		if f.Lost != nil {
			halt.Lost = &f.Lost.Bar
		}
		if f.Unhealthy != nil {
			halt.Unhealthy = &f.Unhealthy.Bar
		}
		p.Halt = &halt
	}
	if f.Revert {
		p.OnHalt = "revert"
	}
	if f.Ask {
		p.OnHalt = "ask"
	}
	f.slow(p)
	if f.Start != "" {
		start, err := time.Parse(time.RFC3339, f.Start)
		if err != nil {
			return Misuse("--start %s: use a time such as 2026-12-01T02:00:00Z", f.Start)
		}
		p.Start = &start
	}
	return nil
}

// slow sets the flags for when, and how many devices at once.
func (f *planFlags) slow(p *api.Plan) {
	for _, w := range f.Window {
		p.Windows = append(p.Windows, w.PlanWindow)
	}
	if f.Representative {
		p.Prefer = "representative"
	}
	if f.AtOnce == 0 && f.Rate == nil && f.MaxRate == nil && f.PerGroup == nil && f.PerGateway == 0 {
		return
	}
	limits := api.PlanLimits{}
	if p.Limits != nil {
		limits = *p.Limits
	}
	if f.AtOnce != 0 {
		limits.AtOnce = f.AtOnce
	}
	if f.Rate != nil {
		limits.Rate = &f.Rate.Rate
	}
	if f.MaxRate != nil {
		limits.MaxRate = &f.MaxRate.Rate
	}
	if f.PerGateway != 0 {
		limits.PerGateway = f.PerGateway
	}
	if f.PerGroup != nil {
		limits.PerGroup = &api.Percent{Share: f.PerGroup.Share}
	}
	p.Limits = &limits
}

// readPlan reads a plan from a file. A key that a plan doesn't have is an error.
func readPlan(name string) (*api.Plan, error) {
	if name == "-" {
		name = os.Stdin.Name()
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	data, err := yaml.YAMLToJSON(text) // JSON is YAML too
	if err != nil {
		return nil, fmt.Errorf("%s is neither YAML nor JSON: %w", name, err)
	}
	var plan api.Plan
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&plan); err != nil {
		return nil, fmt.Errorf("%s is not a plan: %w", name, err)
	}
	return &plan, nil
}
