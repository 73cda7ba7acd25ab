package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/muster-iot/muster/devicelog"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
)

const (
	heardGrace    = time.Minute // what a device sent so soon after what its record has is not worth a write at once
	maxDepartures = 4           // of one device that wait
	goneWrites    = 64          // at the same time
)

// departures are the ends of a device's connections that its record doesn't have yet. The device's next
// Hello writes them with its own; without one they are written when they are due.
type departures struct {
	heard time.Time // its last packet
	ends  []devicelog.Contact
	due   time.Time
}

// depart notes that the session has ended with code, and when the device's last packet came. The end
// of a long connection is written soon, that of a short one within heardGrace: a device that connects
// again and again costs no write each time.
func (s *session) depart(code byte) {
	heard, now := s.lastHeard(), time.Now()
	due := now.Add(heardGrace)
	if heard.Sub(time.Unix(0, s.noted.Load())) >= heardGrace {
		due = now
	}
	d := departures{heard: heard, due: due}
	if code != codeStopping && !s.began.IsZero() { // of all connections at once; what began and has no end ended with the server
		d.ends = []devicelog.Contact{{Began: s.began, Ended: now, Code: code}}
	}
	s.sessions.upkeep.restore(s.ID(), d)
}

// codeStopping is 0x8B of MQTT 5: the server shuts down.
const codeStopping = 0x8B

// take removes what waits to be written about a device.
func (u *upkeep) take(id fleet.DeviceID) departures {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.gone[id]
	delete(u.gone, id)
	return d
}

// restore adds d to what waits to be written about a device.
func (u *upkeep) restore(id fleet.DeviceID, d departures) {
	if d.due.IsZero() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if waiting, found := u.gone[id]; found {
		d.ends = append(waiting.ends, d.ends...)
		if waiting.due.Before(d.due) {
			d.due = waiting.due
		}
		if waiting.heard.After(d.heard) {
			d.heard = waiting.heard
		}
	}
	d.ends = d.ends[max(0, len(d.ends)-maxDepartures):]
	u.gone[id] = d
}

// loggedBy returns decide, which also writes into the record what missed has, and that the session
// of s has begun.
func (s *session) loggedBy(missed departures, decide handshake.Decision[ota.Plan]) handshake.Decision[ota.Plan] {
	if len(missed.ends) == 0 && s.device.Generation() != 0 {
		return decide
	}
	return func(d *fleet.Device, c *fleet.Catalog) (ota.Plan, []fleet.Update) {
		missed.write(d)
		d.Contacts = devicelog.WithContact(d.Contacts, devicelog.Contact{Began: s.began})
		return decide(d, c)
	}
}

// write puts the departures into a record. It reports whether that changed.
func (g departures) write(d *fleet.Device) (changed bool) {
	for _, end := range g.ends {
		d.Contacts = devicelog.WithContact(d.Contacts, end)
	}
	if g.heard.After(d.LastHeard) {
		d.LastHeard, changed = g.heard, true
	}
	return changed || len(g.ends) > 0
}

// SaveGone writes all that waits to be written about devices that have gone, because the server
// ends. What is not written when ctx ends is lost; Muster then shows no end of those connections.
func (c *Sessions) SaveGone(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c.saveGone(ctx, time.Now().Add(2*heardGrace))
}

// saveGone writes the departures that are due at a time.
func (c *Sessions) saveGone(ctx context.Context, at time.Time) {
	due := map[fleet.DeviceID]departures{}
	c.upkeep.mu.Lock()
	for id, d := range c.upkeep.gone {
		if !d.due.After(at) {
			due[id] = d
			delete(c.upkeep.gone, id)
		}
	}
	c.upkeep.mu.Unlock()
	free := make(chan struct{}, goneWrites)
	var writes sync.WaitGroup
	for id, gone := range due {
		free <- struct{}{}
		writes.Go(func() {
			defer func() { <-free }()
			_, _, err := c.devices.Change(ctx, id, func(d *fleet.Device) ([]fleet.Update, bool, error) {
				return nil, gone.write(d), nil
			})
			if errors.Is(err, fleet.Unavailable) {
				gone.due = at.Add(heardGrace)
				c.upkeep.restore(id, gone)
			}
			if err != nil && ctx.Err() == nil {
				c.log.Debug("the end of a connection is not saved", "device", id, "err", err)
			}
		})
	}
	writes.Wait()
}
