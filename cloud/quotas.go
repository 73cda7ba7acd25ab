package cloud

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/quota"
)

// turnover is the part of the connections that may be open above their number: those that end
// because another team's needed their place.
const turnover = 50

// newQuotas returns the quotas of all teams. What they count is made after them.
func (c *Cloud) newQuotas() *quota.Quotas {
	return quota.New(quota.Config{
		Limits: c.config.Quota, MaxConnections: c.capacity.mqtt, TeamMessages: c.config.MQTT.TeamMessages,
		Index: c.store.Index, Catalogs: c.store.Catalogs,
		Updates:  func(team fleet.TeamID) int { return c.ota.Slots(team) },
		Messages: func(team fleet.TeamID) int { return c.sessions.Messages(team) },
	})
}
