package session

import (
	"context"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const (
	upkeepEvery = time.Second
	heardGrace  = time.Minute // what a device sent so soon after what its record says is not worth a write
	heardWrites = 64          // at the same time
)

// upkeep is what has to be done for devices later: it never has more than one entry of each kind
// for a device. It is safe for concurrent use.
type upkeep struct {
	mu     sync.Mutex
	unsent map[fleet.DeviceID]bool      // devices whose commands could not be read; guarded by mu
	heard  map[fleet.DeviceID]time.Time // last packets of devices that have gone; guarded by mu
}

func newUpkeep() *upkeep {
	return &upkeep{unsent: make(map[fleet.DeviceID]bool), heard: make(map[fleet.DeviceID]time.Time)}
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
		c.saveHeard(ctx)
	}
}

// deliverUnsent sends commands that could not be read when they were due. While the store does
// not answer it asks for one device only.
func (c *Sessions) deliverUnsent(ctx context.Context) {
	c.upkeep.mu.Lock()
	unsent := c.upkeep.unsent
	c.upkeep.unsent = make(map[fleet.DeviceID]bool)
	c.upkeep.mu.Unlock()
	answers := false
	for id := range unsent {
		s := c.find(id)
		if s == nil {
			continue // its next Hello brings them
		}
		if answers {
			s.run(taskCommands)
			continue
		}
		select {
		case <-s.run(taskCommands):
		case <-ctx.Done():
			return
		}
		if c.upkeep.has(id) {
			c.upkeep.add(unsent)
			return
		}
		answers = true
	}
}

// Undelivered reports whether commands of a device wait for the store to answer again.
func (c *Sessions) Undelivered(id fleet.DeviceID) bool { return c.upkeep.has(id) }

func (u *upkeep) has(id fleet.DeviceID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.unsent[id]
}

func (u *upkeep) add(unsent map[fleet.DeviceID]bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range unsent {
		u.unsent[id] = true
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
	return c.upkeep.heard[id]
}

// lastHeard returns when the device's last packet came.
func (s *session) lastHeard() time.Time {
	if s.gateway == nil {
		return s.link.Heard()
	}
	return time.Unix(0, s.heard.Load())
}

// noteHeard has the time of the device's last packet saved, if that is much later than what its
// record says: a device that connects again and again costs no write each time.
func (s *session) noteHeard() {
	at := s.lastHeard()
	if at.Sub(time.Unix(0, s.noted.Load())) < heardGrace {
		return
	}
	u := s.sessions.upkeep
	u.mu.Lock()
	defer u.mu.Unlock()
	u.heard[s.id()] = at
}

// saveHeard writes when devices that have gone were last heard.
func (c *Sessions) saveHeard(ctx context.Context) {
	c.upkeep.mu.Lock()
	heard := c.upkeep.heard
	c.upkeep.heard = make(map[fleet.DeviceID]time.Time)
	c.upkeep.mu.Unlock()
	free := make(chan struct{}, heardWrites)
	var writes sync.WaitGroup
	for id, at := range heard {
		free <- struct{}{}
		writes.Go(func() {
			defer func() { <-free }()
			_, _, err := c.devices.Change(ctx, id, func(d *fleet.Device) ([]fleet.Update, bool, error) {
				later := at.After(d.LastHeard)
				if later {
					d.LastHeard = at
				}
				return nil, later, nil
			})
			if err != nil && ctx.Err() == nil {
				c.log.Debug("the time of the last packet is not saved", "device", id, "err", err)
			}
		})
	}
	writes.Wait()
}
