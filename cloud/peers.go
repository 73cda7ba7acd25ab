package cloud

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/peers"
)

// newPeers returns the servers that share the store. What they act on is made before.
func (c *Cloud) newPeers() *peers.Peers {
	return peers.New(peers.Config{
		Relay: c.store.Relay, Log: c.log,
		Hear: c.activity.Hear, Ended: c.notify.Ended, Greeted: c.rollouts.Handshake, Alerted: c.rollouts.Alert,
		SignInFailed: func(address, email, browser string) { c.accounts.FailedElsewhere(address, email, browser) }, // made later
		Judged:       c.rollouts.Judged, Downloads: c.ota.Positions,
	})
}

// greeted has all servers count a handshake: each may have to judge the releases.
func (c *Cloud) greeted(d *fleet.Device, confirmed bool) {
	c.rollouts.Handshake(d.Product, d.ID, confirmed)
	c.peers.Handshake(d.Product, d.ID, confirmed)
}

// alerted has all servers count an alert that a device raised.
func (c *Cloud) alerted(id fleet.DeviceID) {
	c.rollouts.Alert(id)
	if e, err := c.store.Index.Entry(id); err == nil {
		c.peers.Alert(e.Product, id)
	}
}

// ended has all servers count an update that ended.
func (c *Cloud) ended(d *fleet.Device, u fleet.Update) {
	c.notify.Ended(d.Team, d.Product, u.State)
	c.peers.UpdateEnded(d.Team, d.Product, u.State)
}
