package precedence

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Candidate is a device with the version it should get: what the gates look at. CandidateOf
// and CandidateOfEntry fill in what a record or an index entry has, and Aim what a catalog
// has; the caller adds the rest.
type Candidate struct {
	Disabled  bool
	UpdatesOn bool
	Force     bool
	Attempts  fleet.Attempts // at whatever target; an index entry has no NotBefore
	Running   fleet.Version
	Hardware  string // revision, "" when not known

	Target   fleet.Version
	Flash    bool           // Target is an operator's order for this once: attempts don't count
	Firmware fleet.Firmware // zero when Target was never uploaded
	Floor    uint32         // security counter of what runs, 0 when not known
	catalog  *fleet.Catalog // nil: none to look for a path in

	MaxImage    uint64 // bytes the device can store, 0 when not known
	MaxAttempts int
	Now         time.Time

	Zone  string             // IANA time zone, "" when not known
	Plan  *fleet.ReleasePlan // of the release that gives Target; nil: it has none
	Begun bool               // an update to Target is under way: its plan's windows and limits are behind it
	Room  func() Full        // asked last: which of Plan's limits leaves no room; nil: there is room
	hash  uint32             // spreads devices over an opening window
}

// CandidateOf takes a candidate from a device's record.
func CandidateOf(d *fleet.Device) Candidate {
	return Candidate{
		Disabled: d.Disabled, UpdatesOn: d.UpdatesOn, Force: d.Force, Attempts: d.Attempts, Running: d.Running, Hardware: d.Hardware,
		MaxImage: d.MaxImage, Zone: d.Zone, hash: d.ID.Hash(),
	}
}

// CandidateOfEntry takes a candidate from a device's index entry.
func CandidateOfEntry(e *fleet.IndexEntry) Candidate {
	return Candidate{
		Disabled: e.Disabled, UpdatesOn: e.UpdatesOn, Force: e.Force, Running: e.Running, Hardware: e.Hardware,
		MaxImage: e.MaxImage, Zone: e.Zone,
		Attempts: fleet.Attempts{Target: e.AttemptsFor, Since: e.AttemptsSince, Spent: e.Spent, Held: e.Held},
	}
}

// Refusal is the answer of a gate that keeps an update from starting.
type Refusal struct {
	Step   Step
	Reason fleet.ReasonCode // for the Welcome; ReasonNone where the gate lets the update pass
	Again  time.Duration    // when to try again, 0: waiting won't help
}

// gate is one thing that may keep an update from starting although target and running
// version differ.
type gate func(*Candidate) Refusal

// gates are in the order in which a device hears of them. Capacity comes after them.
var gates = []gate{uploaded, suits, aboveFloor, installable, notHeld, attemptsLeft, cooledDown, fits, takesUpdates, inWindow, hasRoom}

// Refusal returns the answer of the first gate that holds c back, and whether one does.
func (c *Candidate) Refusal() (Refusal, bool) {
	for _, g := range gates {
		if r := g(c); r.Reason != wire.ReasonNone {
			return r, true
		}
	}
	return Refusal{}, false
}

// Steps are the answers of all gates that have one, in order.
func (c *Candidate) Steps() []Step {
	steps := make([]Step, 0, len(gates))
	for _, g := range gates {
		if s := g(c).Step; s.Rule != "" {
			steps = append(steps, s)
		}
	}
	return steps
}

// Obstacle is an impact's word for why c can't get its target now, "" when nothing known
// keeps it from that. It asks those gates an index entry can answer: first whether the device
// can take the firmware at all, then what is set at the device itself.
func (c *Candidate) Obstacle() string {
	if c.Disabled {
		return "disabled"
	}
	for _, obstacle := range obstacles {
		if obstacle.gate(c).Reason != wire.ReasonNone {
			return obstacle.word
		}
	}
	return ""
}

var obstacles = []struct {
	gate gate
	word string // for REST
}{
	{suits, "wrong_hardware"}, {aboveFloor, "below_floor"}, {installable, "no_way"}, {fits, "too_large"},
	{takesUpdates, "not_now"}, {notHeld, "held"}, {attemptsLeft, "exhausted"},
}

func pass(s Step) Refusal {
	s.Outcome = Passes
	return Refusal{Step: s}
}

func hold(s Step, reason fleet.ReasonCode) Refusal {
	s.Outcome = HoldsBack
	return Refusal{Step: s, Reason: reason}
}

func uploaded(c *Candidate) Refusal {
	s := Step{Rule: RuleFirmware, Version: c.Target}
	if c.Firmware.Version.IsZero() {
		return hold(s, wire.ReasonOther)
	}
	return pass(s)
}

func notHeld(c *Candidate) Refusal {
	s := Step{Rule: RuleHold}
	if c.attempts().Held {
		return hold(s, wire.ReasonStopped)
	}
	return pass(s)
}

func attemptsLeft(c *Candidate) Refusal {
	spent := c.attempts().Spent
	s := Step{Rule: RuleAttempts, Attempts: Share{int64(spent), int64(c.MaxAttempts)}}
	if spent >= c.MaxAttempts {
		return hold(s, wire.ReasonOther)
	}
	return pass(s)
}

// CoolDown is how long a device with these attempts still waits after the last failed one, 0
// when it doesn't. More than the whole cool-down can only be left where the clock was set back
// by more than what had elapsed: then it is over.
func CoolDown(a fleet.Attempts, now time.Time) time.Duration {
	wait := max(a.NotBefore.Sub(now), 0)
	if a.Pause > 0 && wait > a.Pause {
		return 0
	}
	return wait
}

func cooledDown(c *Candidate) Refusal {
	if wait := CoolDown(c.attempts(), c.Now); wait > 0 {
		r := hold(Step{Rule: RuleCoolDown, At: c.Now.Add(wait)}, wire.ReasonNotNow)
		r.Again = wait
		return r
	}
	return pass(Step{Rule: RuleCoolDown})
}

func fits(c *Candidate) Refusal {
	s := Step{Rule: RuleSize, Bytes: Share{c.Firmware.Size, int64(min(c.MaxImage, 1<<62))}}
	if c.MaxImage != 0 && uint64(c.Firmware.Size) > c.MaxImage {
		return hold(s, wire.ReasonImageTooLarge)
	}
	return pass(s)
}

func takesUpdates(c *Candidate) Refusal {
	s := Step{Rule: RuleUpdates, Forced: c.Force && !c.UpdatesOn}
	if c.UpdatesOn || c.Force {
		return pass(s)
	}
	return hold(s, wire.ReasonNotNow)
}

// attempts are those that count against c's target.
func (c *Candidate) attempts() fleet.Attempts {
	if c.Flash || !c.Attempts.Target.Equal(c.Target) {
		return fleet.Attempts{}
	}
	return c.Attempts
}
