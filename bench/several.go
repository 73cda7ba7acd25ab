package main

import (
	"context"

	"github.com/muster-iot/muster/bench/nodes"
	"github.com/muster-iot/muster/bench/report"
)

// several measures servers that share a Redis.
func several(ctx context.Context, b *bed, o options) (*report.Result, error) {
	password, err := b.ownerPassword()
	if err != nil {
		return nil, err
	}
	return nodes.Measure(ctx, nodes.Options{
		Binary: b.binary, Folder: b.dir, Password: password, Flags: o.serve,
		Devices: o.devices, Dialers: o.dialers, Fleets: o.fleets, Settle: o.settle, Progress: b.progress,
	})
}
