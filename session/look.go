package session

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/store"
)

// follow looks at devices of this server that others have changed, until ctx ends (docs/adr/0043).
func (c *Sessions) follow(ctx context.Context) {
	c.shared.Follow(ctx, func(w store.Woken) {
		s := c.find(w.Device)
		switch {
		case s == nil:
		case w.Connected > s.device.Connected():
			s.supersede()
		case w.Decide:
			c.rechecks.add(w.Device, ota.AtChange)
		case w.Connected == 0:
			c.looks.add(w.Device, ota.AtChange)
		}
	}, func(among func(fleet.DeviceID) bool) {
		for _, s := range c.all() {
			if among(s.ID()) {
				c.looks.add(s.ID(), ota.AtChange)
				c.rechecks.add(s.ID(), ota.AtChange)
			}
		}
	}, func() {
		for _, s := range c.all() {
			s.suspect.Store(true)
		}
	})
}

// connected has the server that holds another session of a device end that.
func (c *Sessions) connected(device *handshake.Session) {
	if node := device.Holder(); node != "" && node != c.shared.Nodes().ID() && c.shared.Nodes() != nil {
		c.workers.Go(func() {
			_ = c.shared.Connected(c.base, device.ID(), node, device.Connected()) // its Hello wakes that server, too
		})
	}
}

// supersede ends the connection of a device that has a newer one, at another server.
func (s *session) supersede() {
	if s.gateway != nil {
		s.sessions.detach(s.ID())
		return
	}
	s.link.Close(fleet.Conflict)
}

// elsewhere has the server that holds the session of a device decide again about it.
func (c *Sessions) elsewhere(id fleet.DeviceID) {
	if c.shared.Nodes() != nil {
		c.others.add(id, ota.AtChange)
	}
}

// RecheckAll re-evaluates every device that is connected to this server: another one has changed what
// they should run, and it is not known which of them it concerns.
func (c *Sessions) RecheckAll() {
	for _, s := range c.all() {
		c.rechecks.add(s.ID(), ota.AtChange)
	}
}

var errMoved = fleet.Errorf(fleet.Conflict, "another server may have the session now")

// unlessMoved returns err, of a message that was dealt with. If other servers may have taken this one for dead
// meanwhile, it first looks whether the session is still here: else, nothing is acknowledged.
func (s *session) unlessMoved(ctx context.Context, err error) error {
	if err != nil || !s.suspect.Load() && !s.sessions.shared.Nodes().Lapsed() || s.look(ctx) {
		return err
	}
	return errMoved
}

// look compares the session with the device's record, which another server may have changed, and acts
// on the difference. It reports whether the session remains.
func (s *session) look(ctx context.Context) bool {
	s.deciding.Lock() // nothing is decided between the reading and what follows from it
	defer s.deciding.Unlock()
	c := s.sessions
	d, err := c.devices.Device(ctx, s.ID())
	if err == nil {
		err = s.device.Check(&d)
	}
	switch {
	case err == nil:
	case errors.Is(err, fleet.Conflict):
		s.supersede()
		return false
	case errors.Is(err, fleet.Disabled), errors.Is(err, fleet.NotFound):
		c.Kick(s.ID())
		return false
	default:
		c.log.Log(ctx, activity.LevelOf(err), "a device that another server has changed was not read, trying again", "device", s.ID(), "err", err)
		c.upkeep.look(s.ID())
		return false
	}
	s.suspect.Store(false)
	c.ota.Follow(&d)
	if d.Pending > 0 {
		s.run(taskCommands)
	}
	return true
}
