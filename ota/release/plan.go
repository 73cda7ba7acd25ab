package release

import (
	"time"

	"github.com/muster-iot/muster/fleet"
)

const (
	maxStages  = 20
	maxHold    = 366 * 24 * time.Hour
	maxSample  = 1_000_000
	maxDevices = 10_000 // of a stage of so many devices
	maxWindows = 20
	maxLimit   = 100_000_000 // devices
)

// CheckPlan returns Invalid, with the field at fault, for a plan that can't be followed.
func CheckPlan(p *fleet.ReleasePlan) error {
	if err := checkStages(p.Stages); err != nil {
		return err
	}
	switch {
	case p.Sample < 1 || p.Sample > maxSample:
		return fleet.FieldErrorf("plan.gate.sample", "the sample is 1 to %d ended updates", maxSample)
	case p.Halt.Return < time.Minute || p.Halt.Return > maxHold:
		return fleet.FieldErrorf("plan.halt.return", "give devices at least a minute to return")
	case p.Halt.Unhealthy != (fleet.Bar{}) && p.Halt.Soak < time.Minute || p.Halt.Soak > maxHold:
		return fleet.FieldErrorf("plan.halt.soak", "watch updated devices for at least a minute")
	case p.Revert && p.Ask:
		return fleet.FieldErrorf("plan.on_halt", "use one of stop, revert and ask")
	}
	for name, bar := range map[string]fleet.Bar{"failures": p.Halt.Failures, "lost": p.Halt.Lost, "unhealthy": p.Halt.Unhealthy} {
		if bar.Devices < 0 || bar.Share > 0 && bar.Devices > 0 {
			return fleet.FieldErrorf("plan.halt."+name, "use a percentage or a number of devices")
		}
	}
	if len(p.Windows) > maxWindows {
		return fleet.FieldErrorf("plan.windows", "a plan has at most %d windows", maxWindows)
	}
	for i, w := range p.Windows {
		if err := w.Check(); err != nil {
			return fleet.FieldErrorf("plan.windows", "window %d: %v", i+1, err)
		}
	}
	switch l := p.Limits; {
	case l.AtOnce < 0 || l.AtOnce > maxLimit:
		return fleet.FieldErrorf("plan.limits.at_once", "use 1 to %d devices", maxLimit)
	case l.Hourly < 0 || l.Hourly > maxLimit:
		return fleet.FieldErrorf("plan.limits.rate", "use a rate from 1/h to %d/h", maxLimit)
	case l.Most != 0 && (l.Most < l.Hourly || l.Hourly == 0 || l.Most > maxLimit):
		return fleet.FieldErrorf("plan.limits.max_rate", "use a rate above limits.rate, which it begins with")
	case l.Behind < 0 || l.Behind > maxLimit:
		return fleet.FieldErrorf("plan.limits.per_gateway", "use 1 to %d devices", maxLimit)
	case p.Spread && p.Stages[0].Group != 0:
		return fleet.FieldErrorf("plan.prefer", "the first stage is a group: all of it gets the version")
	}
	return nil
}

// checkStages checks that each stage reaches more devices than the one before.
func checkStages(stages []fleet.ReleaseStage) error {
	if len(stages) == 0 || len(stages) > maxStages {
		return fleet.FieldErrorf("plan.stages", "a plan has 1 to %d stages", maxStages)
	}
	share, devices := fleet.Share(0), 0
	for i, stage := range stages {
		kinds := 0
		for _, given := range []bool{stage.Share > 0, stage.Devices != 0, stage.Group != 0} {
			if given {
				kinds++
			}
		}
		switch {
		case kinds != 1:
			return fleet.FieldErrorf("plan.stages", "stage %d: give one of share (above 0%%), devices and group", i+1)
		case stage.Hold < 0 || stage.Hold > maxHold:
			return fleet.FieldErrorf("plan.stages", "stage %d: hold at most %d days", i+1, maxHold/(24*time.Hour))
		case stage.Group != 0 && i > 0:
			return fleet.FieldErrorf("plan.stages", "stage %d: only the first stage can be a group", i+1)
		case stage.Devices != 0 && (share > 0 || stage.Devices <= devices || stage.Devices > maxDevices):
			return fleet.FieldErrorf("plan.stages", "stage %d: numbers of devices come before shares, and grow from stage to stage up to %d", i+1, maxDevices)
		case stage.Share > 0 && stage.Share <= share:
			return fleet.FieldErrorf("plan.stages", "stage %d: the share has to grow from stage to stage", i+1)
		}
		share, devices = max(share, stage.Share), max(devices, stage.Devices)
	}
	if share != fleet.Whole {
		return fleet.FieldErrorf("plan.stages", "the last stage has to be 100%%")
	}
	return nil
}
