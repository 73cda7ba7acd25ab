package release

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
)

// growing is a plan with stages of these shares.
func growing(shares ...fleet.Share) fleet.ReleasePlan {
	p := fleet.ReleasePlan{Sample: 20, Halt: fleet.ReleaseHalt{Return: 30 * time.Minute, Soak: time.Hour}}
	for _, share := range shares {
		p.Stages = append(p.Stages, fleet.ReleaseStage{Share: share})
	}
	return p
}

func TestPlansThatCannotBeFollowedAreRejected(t *testing.T) {
	for name, change := range map[string]func(*fleet.ReleasePlan){
		"no stages":                func(p *fleet.ReleasePlan) { p.Stages = nil },
		"a share of nothing":       func(p *fleet.ReleasePlan) { p.Stages[0].Share = 0 },
		"a share that shrinks":     func(p *fleet.ReleasePlan) { p.Stages[0].Share = 6000 },
		"not everyone at the end":  func(p *fleet.ReleasePlan) { p.Stages = p.Stages[:2] },
		"a hold without end":       func(p *fleet.ReleasePlan) { p.Stages[0].Hold = 1e6 * time.Hour },
		"no sample":                func(p *fleet.ReleasePlan) { p.Sample = 0 },
		"no time to return":        func(p *fleet.ReleasePlan) { p.Halt.Return = time.Second },
		"two bars for one":         func(p *fleet.ReleasePlan) { p.Halt.Failures = fleet.Bar{Share: 1, Devices: 1} },
		"no time to watch":         func(p *fleet.ReleasePlan) { p.Halt.Unhealthy.Devices, p.Halt.Soak = 1, 0 },
		"revert and ask":           func(p *fleet.ReleasePlan) { p.Revert, p.Ask = true, true },
		"a share and a number":     func(p *fleet.ReleasePlan) { p.Stages[0].Devices = 5 },
		"a number after a share":   func(p *fleet.ReleasePlan) { p.Stages[1] = fleet.ReleaseStage{Devices: 5} },
		"a group after a share":    func(p *fleet.ReleasePlan) { p.Stages[1] = fleet.ReleaseStage{Group: 5} },
		"a negative number":        func(p *fleet.ReleasePlan) { p.Stages[0] = fleet.ReleaseStage{Devices: -5} },
		"an empty window":          func(p *fleet.ReleasePlan) { p.Windows = []calendar.Window{{Zone: "UTC"}} },
		"too many windows":         func(p *fleet.ReleasePlan) { p.Windows = make([]calendar.Window, 100) },
		"a negative limit":         func(p *fleet.ReleasePlan) { p.Limits.AtOnce = -1 },
		"a negative rate":          func(p *fleet.ReleasePlan) { p.Limits.Hourly = -1 },
		"a negative number to bar": func(p *fleet.ReleasePlan) { p.Halt.Lost.Devices = -1 },
	} {
		p := growing(100, 5000, fleet.Whole)
		if err := CheckPlan(&p); err != nil {
			t.Fatal(err)
		}
		change(&p)
		if err := CheckPlan(&p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAPlanMayBeginWithAGroupOrANumber(t *testing.T) {
	p := growing(fleet.Whole)
	p.Stages = append([]fleet.ReleaseStage{{Group: 3}, {Devices: 10}, {Devices: 100}, {Share: 100}}, p.Stages...)
	if err := CheckPlan(&p); err != nil {
		t.Error(err)
	}
}
