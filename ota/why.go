package ota

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// Why explains what device id should run, by the code that decides it, and what stands
// between it and that: what runs, each gate, the last update, capacity, the next
// handshake. Groups that actor can't see are one step without name or version. Errors:
// fleet.NotFound when actor does not see the device, fleet.Unavailable from the store.
func (s *Service) Why(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) (fleet.Trace, error) {
	d, err := s.deviceFor(ctx, actor, fleet.SeeDevice, id)
	if err != nil {
		return fleet.Trace{}, err
	}
	c, err := s.catalogs.Catalog(ctx, d.Product)
	if err != nil {
		return fleet.Trace{}, err
	}
	groups, err := s.groupsOf(ctx, c)
	if err != nil {
		return fleet.Trace{}, err
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
		flash := fleet.Step{Rule: "flash", Outcome: "applies", Detail: "an operator sends " + d.Flash.String() + " once, whatever the rules say"}
		trace.Steps = append([]fleet.Step{flash}, trace.Steps...)
	}
	trace.Steps = append(trace.Steps, s.obstacles(&d, c, target, time.Now())...)
	return trace, nil
}

// obstacles are the steps after the rules: from what runs to the next handshake.
func (s *Service) obstacles(d *fleet.Device, c *fleet.Catalog, target fleet.Version, now time.Time) (steps []fleet.Step) {
	add := func(rule, outcome, detail string) {
		steps = append(steps, fleet.Step{Rule: rule, Outcome: outcome, Detail: detail})
	}
	switch {
	case d.Running.IsZero():
		add("running", "unknown", "it has not said yet what it runs")
	case target.IsZero():
		add("running", "kept", "it keeps "+d.Running.String())
	case d.Running.Equal(target):
		add("running", "same", "it runs "+d.Running.String()+" already")
	default:
		add("running", "differs", "it runs "+d.Running.String()+", not "+target.String())
	}
	if d.Disabled {
		add("connection", "refused", "the device is disabled: it can't connect")
	}
	if target.IsZero() || d.Running.Equal(target) {
		return steps
	}
	firmware, _ := c.Find(target)
	e := candidate{device: d, target: target, firmware: firmware, flash: !d.Flash.IsZero(), now: now, rules: s.rules}
	for _, g := range gates {
		outcome := "passes"
		a := g.check(e)
		if a.refused {
			outcome = "holds it back"
		}
		add(g.rule, outcome, a.detail)
	}
	if u := d.Update; u.To.Equal(target) && u.State != fleet.NoUpdate {
		add("update", u.State.String(), s.story(d))
	}
	outcome, detail := s.capacity(d.ID, d.Gateway)
	add("capacity", outcome, detail)
	if !d.Update.State.Running() {
		awaits := "it is decided at its first handshake; it has had none yet"
		if !d.LastHandshake.IsZero() {
			awaits = "it is decided at the next handshake; the last one was " + when(d.LastHandshake)
		}
		add("handshake", "awaited", awaits)
	}
	return steps
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return "at " + t.UTC().Format(time.RFC3339)
}

// story is where d's last update stands, in words.
func (s *Service) story(d *fleet.Device) string {
	u := d.Update
	text := fmt.Sprintf("attempt %d, started %s", u.Attempt, when(u.Started))
	if u.State.Running() {
		position := u.Next
		if live, ok := s.Position(d.ID); ok {
			position = max(position, live)
		}
		text += fmt.Sprintf(", %d of %d bytes", position, u.Size)
	}
	if u.Reason != wire.ReasonNone {
		text += ": " + wire.ReasonText(u.Reason)
	}
	if u.Text != "" {
		text += fmt.Sprintf(" (%s)", u.Text)
	}
	return text
}

// capacity says whether id has a slot, waits for one, or would find one.
func (s *Service) capacity(id, gateway fleet.DeviceID) (outcome, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := fmt.Sprintf("%d of %d updates run", s.slots.taken(), s.slots.max)
	if gateway != "" {
		used += fmt.Sprintf(", %d of %d behind its gateway", s.slots.behind[gateway], s.slots.maxBehind)
	}
	switch {
	case s.slots.has(id):
		return "has a slot", used
	case s.slots.waits(id):
		return "waits", fmt.Sprintf("%s; it is number %d of %d in the line", used, s.slots.place(id), s.slots.waiting())
	case s.slots.full(gateway):
		return "none free", used
	}
	return "free", used
}

// deviceFor loads a device and checks that actor may do action to it.
func (s *Service) deviceFor(ctx context.Context, actor fleet.Actor, action fleet.Action, id fleet.DeviceID) (fleet.Device, error) {
	d, err := s.devices.Device(ctx, id)
	if err != nil {
		return fleet.Device{}, err
	}
	return d, s.may(ctx, actor, action, &d)
}

// may is fleet.May with the gateway a BLE device is judged by.
func (s *Service) may(ctx context.Context, actor fleet.Actor, action fleet.Action, d *fleet.Device) error {
	object := fleet.Object{Team: d.Team, Device: d}
	if d.Kind == fleet.BLE && d.Gateway != "" && actor.Role.Restricted() {
		if gateway, err := s.devices.Device(ctx, d.Gateway); err == nil {
			object.Gateway = &gateway
		}
	}
	if actor.Team != d.Team {
		return fleet.Errorf(fleet.NotFound, "no such device: %s", d.ID)
	}
	return fleet.May(actor, action, object)
}
