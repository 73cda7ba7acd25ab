package cloud

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/muster-iot/muster/broker"
)

const (
	trimEvery = 5 * time.Second
	trimBurst = 1000 // devices admitted since the last trim that make another worth it
)

// trim gives memory back to the system some seconds after many devices connected at
// once: a CONNECT takes several times what an idle connection keeps, and the runtime would
// hold on to it for minutes. It runs until ctx ends.
func trim(ctx context.Context, b *broker.Broker) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	trimmed, last := uint64(0), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := b.Stats().Accepted
		quiet := now-last < trimBurst/10
		if quiet && now-trimmed >= trimBurst {
			debug.FreeOSMemory()
			trimmed = now
		}
		last = now
	}
}
