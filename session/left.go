package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// endedSession is one whose record still names this server as its holder.
type endedSession struct {
	session uint64
	at      time.Time
}

// leaveAfter is how long after its session has ended a device is offline to other servers: most come
// back at once.
const leaveAfter = 2 * time.Second

// leftWrites is how many of these writes are made at the same time.
const leftWrites = 64

// noteLeft has the record updated, a little later: no server holds the session.
func (s *session) noteLeft() {
	generation := s.device.Generation()
	if s.sessions.shared.Nodes() == nil || generation == 0 {
		return
	}
	u := s.sessions.upkeep
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left[s.ID()] = endedSession{generation, time.Now()}
}

// saveLeft writes that devices are offline whose sessions ended some time before now.
func (c *Sessions) saveLeft(ctx context.Context, now time.Time) {
	u := c.upkeep
	due := map[fleet.DeviceID]endedSession{}
	u.mu.Lock()
	for id, p := range u.left {
		if now.Sub(p.at) >= leaveAfter {
			due[id] = p
			delete(u.left, id)
		}
	}
	u.mu.Unlock()
	free := make(chan struct{}, leftWrites)
	var writes sync.WaitGroup
	for id, p := range due {
		free <- struct{}{}
		writes.Go(func() {
			defer func() { <-free }()
			_, _, err := c.devices.Change(ctx, id, func(d *fleet.Device) ([]fleet.Update, bool, error) {
				ours := d.Session == p.session && d.Node == c.shared.Nodes().ID()
				if ours {
					d.Node, d.Connected = "", 0
				}
				return nil, ours, nil
			})
			if err == nil || errors.Is(err, fleet.NotFound) || ctx.Err() != nil {
				return
			}
			u.mu.Lock()
			if _, newer := u.left[id]; !newer {
				u.left[id] = p // the next time
			}
			u.mu.Unlock()
		})
	}
	writes.Wait()
}

// look has a device looked at again, a little later.
func (u *upkeep) look(id fleet.DeviceID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.unread[id] = true
}

// lookAgain looks at the devices that could not be read.
func (c *Sessions) lookAgain() {
	c.upkeep.mu.Lock()
	unread := c.upkeep.unread
	c.upkeep.unread = make(map[fleet.DeviceID]bool)
	c.upkeep.mu.Unlock()
	for id := range unread {
		c.looks.add(id, 0)
	}
}
