package session

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const upkeepEvery = time.Second

// upkeep is what has to be done for devices later: it never has more than one entry of each kind
// for a device. It is safe for concurrent use.
type upkeep struct {
	mu     sync.Mutex
	unsent map[fleet.DeviceID]bool         // devices whose commands could not be read; guarded by mu
	gone   map[fleet.DeviceID]departures   // what their records don't have yet; guarded by mu
	unread map[fleet.DeviceID]bool         // devices that have to be looked at and could not be read; guarded by mu
	left   map[fleet.DeviceID]endedSession // devices whose sessions have ended, if servers share the store; guarded by mu
}

func newUpkeep() *upkeep {
	return &upkeep{
		unsent: make(map[fleet.DeviceID]bool), gone: make(map[fleet.DeviceID]departures),
		unread: make(map[fleet.DeviceID]bool), left: make(map[fleet.DeviceID]endedSession),
	}
}

// keepUp runs until ctx ends.
func (c *Sessions) keepUp(ctx context.Context) {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.deliverUnsent(ctx)
		c.saveGone(ctx, time.Now())
		c.lookAgain()
		c.saveLeft(ctx, time.Now())
	}
}

// deliverUnsent sends commands that could not be read when they were due. While the store does
// not answer it asks for one device only.
func (c *Sessions) deliverUnsent(ctx context.Context) {
	c.upkeep.mu.Lock()
	unsent := slices.Collect(maps.Keys(c.upkeep.unsent))
	c.upkeep.mu.Unlock()
	answers := false
	for _, id := range unsent {
		s := c.find(id)
		if s == nil {
			c.upkeep.setUnsent(id, false) // its next Hello brings them
			continue
		}
		done := s.run(taskCommands)
		if answers {
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
		if c.Undelivered(id) {
			return
		}
		answers = true
	}
}

// Undelivered reports whether commands of a device wait for the store to answer again.
func (c *Sessions) Undelivered(id fleet.DeviceID) bool {
	c.upkeep.mu.Lock()
	defer c.upkeep.mu.Unlock()
	return c.upkeep.unsent[id]
}

// setUnsent notes whether commands of a device could not be read.
func (u *upkeep) setUnsent(id fleet.DeviceID, unsent bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if unsent {
		u.unsent[id] = true
	} else {
		delete(u.unsent, id)
	}
}

// Heard implements registry.Live: it returns when the last packet of a device came, as far as
// its record does not have that yet; else zero.
func (c *Sessions) Heard(id fleet.DeviceID) time.Time {
	if s := c.find(id); s != nil {
		return s.lastHeard()
	}
	c.upkeep.mu.Lock()
	defer c.upkeep.mu.Unlock()
	return c.upkeep.gone[id].heard
}

// lastHeard returns when the device's last packet came.
func (s *session) lastHeard() time.Time {
	if s.gateway == nil {
		return s.link.Heard()
	}
	return time.Unix(0, s.heard.Load())
}
