package cloud

import (
	"context"

	"github.com/muster-iot/muster/store"
)

// raiseNotices raises an alert in every team for each notice about the store, until ctx ends.
func (c *Cloud) raiseNotices(ctx context.Context, notices <-chan store.Notice) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-notices:
			if c.store.Nodes().Holds(leaseNotices) { // each server that shares the store sees the same
				c.activity.RaiseInAllTeams(ctx, n.Name, n.Text)
			}
		}
	}
}
