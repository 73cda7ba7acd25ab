package precedence

import (
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// The gates in this file are about firmware that a device can't take, whoever orders it: it is
// for other hardware, its security counter is too low, or it can't be installed over the
// version that runs (docs/rules.md#firmware-precedence). They do not apply to
// firmware without such conditions: then their step is zero.

// Aim makes target, of catalog c, the version that the candidate should get.
func (c *Candidate) Aim(catalog *fleet.Catalog, target fleet.Version) {
	c.Target = target
	c.Firmware, _ = catalog.Find(target)
	running, _ := catalog.Find(c.Running)
	c.Floor, c.catalog = running.Floor, catalog
}

func suits(c *Candidate) Refusal {
	if len(c.Firmware.Hardware) == 0 {
		return Refusal{}
	}
	s := Step{Rule: RuleHardware, Hardware: c.Hardware, Condition: strings.Join(c.Firmware.Hardware, ", ")}
	if !c.Firmware.Suits(c.Hardware) {
		return hold(s, wire.ReasonWrongProduct)
	}
	return pass(s)
}

func aboveFloor(c *Candidate) Refusal {
	if c.Floor == 0 {
		return Refusal{}
	}
	s := Step{Rule: RuleFloor, Version: c.Target, Running: c.Running, Counters: Share{int64(c.Firmware.Floor), int64(c.Floor)}}
	if c.Firmware.Floor < c.Floor {
		return hold(s, wire.ReasonOther)
	}
	return pass(s)
}

func installable(c *Candidate) Refusal {
	if c.Firmware.Requires.IsAll() {
		return Refusal{}
	}
	s := Step{Rule: RuleRequires, Version: c.Target, Running: c.Running, Condition: c.Firmware.Requires.String()}
	if c.direct() {
		return pass(s)
	}
	for _, f := range c.way() {
		s.Path = append(s.Path, f.Version)
	}
	if s.Flash = c.Flash; c.Flash || len(s.Path) == 0 {
		return hold(s, wire.ReasonOther)
	}
	return pass(s)
}
