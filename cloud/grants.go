package cloud

import (
	"context"
	"time"

	"github.com/muster-iot/muster/store/grant"
)

// askFor bounds one exchange that a device waits for because its team's places are with other servers.
const askFor = time.Second

// shareLimits makes the limits of updates, plans and connections those of all servers that share the store.
func (c *Cloud) shareLimits() {
	c.grants = grant.New(c.store.Nodes(), c.log, c.ota, c.pace, c.quotas.Connections)
	if c.grants == nil {
		return
	}
	c.ota.Shared(c.grants.Want)
	c.pace.Shared(func() int { return 1 + len(c.store.Nodes().Others()) }, c.grants.Want)
	c.quotas.Connections.Shared(func() error {
		ctx, cancel := context.WithTimeout(c.base, askFor)
		defer cancel()
		return c.grants.Ask(ctx)
	})
}
