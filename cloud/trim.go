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

// trim returns memory to the operating system some seconds after many devices have connected
// at once: a CONNECT needs several times the memory of an idle connection, which the runtime
// would keep for minutes. It runs until ctx ends.
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
