package precedence

import (
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// The gates in this file are about firmware that a device can't take, whoever orders it: it is
// for other hardware, its security counter is too low, or it can't be installed over the
// version that runs (docs/rules.md#firmware-precedence). They have nothing to say about
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
	if !c.Firmware.Requires.Has(c.Running) {
		s.Path = c.path()
		return hold(s, wire.ReasonOther)
	}
	return pass(s)
}

// path returns the versions to install one after the other to get to c's target, with the
// fewest of them, as "1.4.0, 1.9.0, 2.0.0"; "" if no uploaded versions lead there.
func (c *Candidate) path() string {
	if c.catalog == nil {
		return ""
	}
	type node struct {
		fleet.Firmware
		path string
	}
	left := make([]fleet.Firmware, 0, len(c.catalog.Firmware))
	for _, f := range c.catalog.Firmware {
		if f.Suits(c.Hardware) {
			left = append(left, f)
		}
	}
	slices.SortFunc(left, func(a, b fleet.Firmware) int { return b.Version.Compare(a.Version) })
	for reached := []node{{Firmware: fleet.Firmware{Version: c.Running, Floor: c.Floor}}}; len(reached) > 0; reached = reached[1:] {
		from := reached[0]
		left = slices.DeleteFunc(left, func(f fleet.Firmware) bool {
			if !f.Requires.Has(from.Version) || f.Floor < from.Floor {
				return false
			}
			reached = append(reached, node{f, strings.TrimPrefix(from.path+", "+f.Version.String(), ", ")})
			return true
		})
		for _, n := range reached[1:] {
			if n.Version.Equal(c.Target) {
				return n.path
			}
		}
	}
	return ""
}
