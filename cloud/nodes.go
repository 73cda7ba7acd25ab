package cloud

import (
	"context"
	"time"

	"github.com/muster-iot/muster/activity"
)

// resumeEvery is the time between two looks for batches that nodes which have died had begun.
const resumeEvery = 5 * time.Second

// resumeOthers finishes what other nodes had begun when they died, until ctx ends.
func (c *Cloud) resumeOthers(ctx context.Context) {
	if c.store.Nodes() == nil {
		return
	}
	tick := time.NewTicker(resumeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := c.registry.Resume(ctx); err != nil && ctx.Err() == nil {
			c.log.Log(ctx, activity.LevelOf(err), "batches of nodes that have died are not finished yet", "err", err)
		}
	}
}
