package cloud

import (
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Announce passes e to everyone who listens to its team. It never blocks.
func (c *conductor) Announce(e fleet.Event) {
	c.log.Debug("event", "event", e.Name(), "device", e.Device, "product", e.Product)
	c.events.tell(e)
}

// announceUpdates announces how d's updates stand: those that ended now, and the running one.
func (c *conductor) announceUpdates(d *fleet.Device, ended []fleet.Update) {
	for _, u := range ended {
		c.announceUpdate(d, u)
	}
	if d.Update.State.Running() {
		c.announceUpdate(d, d.Update)
	}
}

// ended follows an update of d that was ended by someone other than the device. unreadable is
// why its image can't be read, which an operator has to look at; nil when it can.
func (c *conductor) ended(d fleet.Device, unreadable error) {
	c.changedUpdates(c.base, &d, []fleet.Update{d.Update})
	if unreadable != nil {
		c.log.Error("an image can't be read", "product", d.Product, "version", d.Update.To, "err", unreadable)
		c.raise(c.base, &d, "image_unreadable", "version "+d.Update.To.String()+" can't be sent to this device, nor to others: its image can't be read; the log says why")
	}
}

// flashed is Particle's word for a state.
var flashed = map[fleet.UpdateState]fleet.FlashStatus{
	fleet.Offered: fleet.FlashStarted, fleet.Stored: fleet.FlashSuccess, fleet.Failed: fleet.FlashFailed, fleet.RolledBack: fleet.FlashFailed,
}

// announceUpdate announces how one update of d stands.
func (c *conductor) announceUpdate(d *fleet.Device, u fleet.Update) {
	announce := func(p fleet.Payload) {
		c.Announce(fleet.Event{Payload: p, Team: d.Team, Product: d.Product, Device: d.ID, At: time.Now()})
	}
	if u.State == fleet.Offered {
		announce(fleet.StatusChanged{Status: fleet.StatusAutoUpdate})
	}
	if status, ok := flashed[u.State]; ok {
		announce(fleet.FlashChanged{Status: status})
	}
	announce(fleet.UpdateChanged{Update: u})
}
