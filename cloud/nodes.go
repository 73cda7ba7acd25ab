package cloud

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store"
)

// resumeEvery is the time between two looks for batches that nodes which have died had begun.
const resumeEvery = 5 * time.Second

// resumeOthers finishes what other nodes had begun when they died, until ctx ends.
func (c *Cloud) resumeOthers(ctx context.Context) {
	if c.store.Nodes() == nil {
		return
	}
	for steady.Sleep(ctx, resumeEvery) {
		if err := c.registry.Resume(ctx); err != nil && ctx.Err() == nil {
			c.log.Log(ctx, activity.LevelOf(err), "batches of nodes that have died are not finished yet", "err", err)
		}
	}
}

// followEdits does, for catalogs that other servers edit, what this one does for its own edits, until ctx
// ends.
func (c *Cloud) followEdits(ctx context.Context) {
	c.store.FollowEdits(ctx, func(e store.Edited) { c.edited(ctx, e) })
}

// rowsAfter is how long after an edit of a catalog what was written before it is in the index.
const rowsAfter = 250 * time.Millisecond

func (c *Cloud) edited(ctx context.Context, e store.Edited) {
	if e.Unknown {
		c.sessions.RecheckAll()
		return
	}
	catalog, err := c.store.Catalogs.Catalog(ctx, e.Product)
	switch {
	case errors.Is(err, fleet.NotFound): // its devices were deleted before
		return
	case err != nil:
		c.log.Log(ctx, activity.LevelOf(err), "a catalog that another server has edited was not read", "product", e.Product, "err", err)
		c.sessions.RecheckAll()
		return
	}
	c.rollouts.Follow(catalog)
	var now []fleet.DeviceID
	switch v, id := e.Immediate.Version, e.Immediate.Release; {
	case v.Valid():
		steady.Sleep(ctx, rowsAfter)
		now, err = c.releases.Online(catalog, v)
	case id != 0:
		steady.Sleep(ctx, rowsAfter)
		for _, r := range catalog.Releases() {
			if r.ID == id {
				now = c.rollouts.Online(catalog, &r)
			}
		}
	}
	c.sessions.Released(e.Product, now)
	if err != nil { // the index is not built
		c.sessions.RecheckAll()
	}
}
