package release

import (
	"context"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// Why explains what device id should run, by the code that decides it, and what stands
// between the device and that version: the version it runs, each gate, the last update,
// capacity, the next handshake. Groups that actor can't see are one step without a name or a
// version.
func (s *Service) Why(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) (precedence.Trace, error) {
	d, err := s.deviceFor(ctx, actor, fleet.SeeDevice, id)
	if err != nil {
		return precedence.Trace{}, err
	}
	c, err := s.catalogs.Catalog(ctx, d.Product)
	if err != nil {
		return precedence.Trace{}, err
	}
	precedence.Renew(&d, c) // as the next decision will
	groups, err := s.groupsOf(ctx, c)
	if err != nil {
		return precedence.Trace{}, err
	}
	trace := precedence.Explain(precedence.Of(&d), c, func(g fleet.GroupID) (string, bool) {
		if mayGroup(actor, fleet.SeeGroup, c, g) != nil {
			return "", false
		}
		return groups[g].Name, true
	})
	target := trace.Target
	if !d.Flash.IsZero() {
		target = d.Flash
		flash := precedence.Step{Rule: precedence.RuleFlash, Outcome: precedence.Applies, Version: d.Flash}
		trace.Steps = append([]precedence.Step{flash}, trace.Steps...)
	}
	trace.Steps = append(trace.Steps, s.obstacles(&d, c, target, s.ota.Now())...)
	if actor.Role.Restricted() {
		hideOthers(trace.Steps)
	}
	return trace, nil
}

// hideOthers leaves out how much the installation's other devices download: that concerns who
// sees the whole team.
func hideOthers(steps []precedence.Step) {
	for i := range steps {
		if steps[i].Rule == precedence.RuleCapacity {
			steps[i].Slots, steps[i].Behind, steps[i].Line = precedence.Share{}, precedence.Share{}, precedence.Share{}
		}
	}
}

// obstacles are the steps after the rules: from the version that runs to the next handshake.
func (s *Service) obstacles(d *fleet.Device, c *fleet.Catalog, target fleet.Version, now time.Time) (steps []precedence.Step) {
	steps = append(steps, running(d, target))
	if d.Disabled {
		steps = append(steps, precedence.Step{Rule: precedence.RuleConnection, Outcome: precedence.Refused})
	}
	if d.Foreign != "" && d.Foreign != c.Product.Slug { // the decision looks at nothing after that
		return append(steps, precedence.Step{Rule: precedence.RuleProduct, Outcome: precedence.HoldsBack, Product: d.Foreign})
	}
	if target.IsZero() || d.Running.Equal(target) {
		return steps
	}
	candidate := precedence.CandidateOf(d)
	candidate.Flash = !d.Flash.IsZero()
	candidate.Aim(c, target)
	candidate.MaxAttempts, candidate.Now = s.ota.MaxAttempts(), now
	facts := precedence.Of(d)
	given, reason, winner := precedence.Decide(facts, c)
	if r, staged := c.Release(precedence.Staged(facts, c, given, reason, winner)); staged && d.Flash.IsZero() {
		candidate.By(&r)
		candidate.Begun = d.Update.State.Running() && d.Update.Target().Equal(target)
		candidate.Room = func() precedence.Full { return s.ota.Room(d, &r) }
	}
	steps = append(steps, candidate.Steps()...)
	if s.ota.Unreadable(candidate.Firmware.Digest) {
		steps = append(steps, precedence.Step{Rule: precedence.RuleImage, Outcome: precedence.HoldsBack})
	}
	if u := d.Update; u.Target().Equal(target) && u.State != fleet.NoUpdate {
		steps = append(steps, s.lastUpdate(d))
	}
	steps = append(steps, s.capacity(d))
	if !d.Update.State.Running() {
		steps = append(steps, precedence.Step{Rule: precedence.RuleHandshake, Outcome: precedence.Awaited, At: d.LastHandshake})
	}
	return steps
}

// running compares what d runs with its target.
func running(d *fleet.Device, target fleet.Version) precedence.Step {
	step := precedence.Step{Rule: precedence.RuleRunning, Outcome: precedence.Differs, Running: d.Running, Version: target, Label: d.Label, Proven: d.Proven}
	switch {
	case d.Running.IsZero():
		step.Outcome = precedence.Unknown
	case target.IsZero():
		step.Outcome = precedence.Kept
	case d.Running.Equal(target):
		step.Outcome = precedence.Same
	}
	return step
}

// lastUpdate is the state of d's last update.
func (s *Service) lastUpdate(d *fleet.Device) precedence.Step {
	u := d.Update
	step := precedence.Step{
		Rule: precedence.RuleUpdate, Outcome: precedence.Outcome(u.State.String()),
		State: u.State, Attempt: u.Attempt, At: u.Started, Reason: u.Reason, Text: u.Text,
	}
	if u.State.Running() {
		position, _ := s.position(d)
		step.Bytes = precedence.Share{Count: max(u.Next, position), Of: u.Size}
	}
	return step
}

// capacity is whether d has a slot, waits for one, or would find one.
func (s *Service) capacity(d *fleet.Device) precedence.Step {
	c := s.ota.Capacity(d.ID, d.Gateway, d.Team)
	step := precedence.Step{
		Rule: precedence.RuleCapacity, Outcome: precedence.Free,
		Slots:  precedence.Share{Count: int64(c.Running), Of: int64(c.Max)},
		Behind: precedence.Share{Count: int64(c.Behind), Of: int64(c.MaxBehind)},
	}
	switch {
	case c.HasSlot, s.downloadsElsewhere(d):
		step.Outcome = precedence.HasSlot
	case c.Place > 0:
		step.Outcome = precedence.Waits
		step.Line = precedence.Share{Count: int64(c.Place), Of: int64(c.Waiting)}
	case c.Full:
		step.Outcome = precedence.NoneFree
	}
	return step
}
