package ota

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/precedence"
)

// Capacity is a device's standing among the updates that transfer at the same time.
type Capacity struct {
	HasSlot bool
	Place   int // in the line, from 1; 0 when it does not wait
	Full    bool

	Running, Max      int // slots in use at all servers, of all
	Waiting           int // devices in this server's line
	Behind, MaxBehind int // slots in use behind the device's gateway, of the most allowed; 0, 0 without one
}

// Room returns which limit of r's plan leaves no room for d now.
func (s *Service) Room(d *fleet.Device, r *fleet.Release) precedence.Full {
	return s.cfg.Pace.Look(pace.Key{Product: d.Product, Release: r.ID}, r.Plan.Limits, pace.DeviceOf(d), s.Now())
}

// Capacity returns whether id of team, behind gateway or "" for a device with its own connection,
// has a slot, waits for one, or would find one.
func (s *Service) Capacity(id, gateway fleet.DeviceID, team fleet.TeamID) Capacity {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := Capacity{
		HasSlot: s.slots.has(id), Full: s.slots.usedUp(who{id, gateway, team}), Waiting: s.slots.waiting(),
	}
	c.Running, c.Max = s.slots.total()
	if s.slots.waits(id) {
		c.Place = s.slots.place(id)
	}
	if gateway != "" {
		c.Behind, c.MaxBehind = s.slots.behind[gateway], s.slots.maxBehind
	}
	return c
}
