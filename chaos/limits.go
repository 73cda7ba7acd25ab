package main

import (
	"context"
	"time"

	"github.com/muster-iot/muster/simulator"
)

const (
	sampling = 50 * time.Millisecond
	sweeping = 2 * time.Millisecond // a look at the fleet that takes longer is not one moment: a slot may have changed hands
)

// slots is ota.max_updates for a fleet: it binds as soon as a release is for a group.
func slots(devices int) int { return max(devices/12, 4) }

// watchTransfers counts the devices that are sent chunks, until ctx ends.
func (c *cluster) watchTransfers(ctx context.Context, r *round) {
	all := make([]simulator.Stats, len(r.ids))
	for ; ctx.Err() == nil; wait(ctx, sampling) {
		began := time.Now()
		for i, id := range r.ids {
			d, _ := r.fleet.Device(id)
			all[i] = d.Stats
		}
		if time.Since(began) <= sweeping {
			c.transfers.Sample(began, all)
		}
	}
}
