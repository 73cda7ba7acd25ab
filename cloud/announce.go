package cloud

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// public are the names listeners know what happens to a device by: Particle's where it has
// one. What has no name here is not told.
var public = map[string]struct{ name, text string }{
	"online":    {"spark/status", "online"},
	"offline":   {"spark/status", "offline"},
	"handshake": {"muster/handshake", ""},
	"attached":  {"muster/gateway", "attached"},
	"detached":  {"muster/gateway", "detached"},
}

// announce tells what happened to a device to whoever listens; nothing depends on it.
func (c *conductor) announce(e fleet.Event) {
	c.log.Debug("event", "event", e.Name, "device", e.Device, "product", e.Product)
	known, ok := public[e.Name]
	if !ok {
		return
	}
	e.Name, e.At = known.name, time.Now()
	if known.text != "" {
		e.Data = map[string]any{"text": known.text}
	}
	c.Announce(e)
}

// Announce tells an event to whoever listens. It never blocks.
func (c *conductor) Announce(e fleet.Event) { c.events.tell(e) }

// announceUpdates tells how d's updates stand: those that ended now, and the one that runs.
func (c *conductor) announceUpdates(d *fleet.Device, ended []fleet.Update) {
	for _, u := range ended {
		c.events.tellUpdate(*d, u)
	}
	if d.Update.State.Running() {
		c.events.tellUpdate(*d, d.Update)
	}
}

// ended tells that d's update ended by another hand than d's. An image that can't be read is
// a person's to look at.
func (c *conductor) ended(d fleet.Device, unreadable error) {
	c.happened(c.base, &d, "update", []fleet.Update{d.Update})
	if unreadable != nil {
		c.log.Error("an image can't be read", "product", d.Product, "version", d.Update.To, "err", unreadable)
		c.raise(c.base, &d, "image_unreadable", "version "+d.Update.To.String()+" can't be sent to this device, nor to others: its image can't be read; the log says why")
	}
}

// flashed is Particle's word for a state. There, success says that the device holds the
// image: that it runs it, only a later handshake says.
var flashed = map[fleet.UpdateState]string{
	fleet.Offered: "started", fleet.Stored: "success", fleet.Failed: "failed", fleet.RolledBack: "failed",
}

// tellUpdate tells how an update of d stands.
func (e *events) tellUpdate(d fleet.Device, u fleet.Update) {
	say := func(name string, data map[string]any) {
		e.tell(fleet.Event{Name: name, Team: d.Team, Product: d.Product, Device: d.ID, Data: data, At: time.Now()})
	}
	if word, ok := flashed[u.State]; ok {
		if u.State == fleet.Offered {
			say("spark/status", map[string]any{"text": "auto-update"})
		}
		say("spark/flash/status", map[string]any{"text": word})
	}
	say("muster/update", map[string]any{
		"id": u.ID.String(), "from": u.From.String(), "to": u.To.String(), "state": u.State.String(),
		"attempt": u.Attempt, "received": u.Next, "size": u.Size, "reason": wire.ReasonText(u.Reason),
	})
}
