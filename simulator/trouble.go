package simulator

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
)

// Why connections end that nothing is wrong with, and the tries at one when Run ends.
const (
	stoppedByUs = "stopped"  // Run ended
	restarting  = "restarts" // the device
	faked       = "cut off"  // by a fault of the simulation
	cutShort    = "the run ended while it was connecting"
)

// note keeps why the connection, or the try to make one, is over. A try that the run's end
// cut short takes nothing from what is known already. The caller holds mu.
func (d *device) note(ctx context.Context, why error) {
	if d.client == nil && ctx.Err() != nil && d.trouble != "" && d.trouble != stoppedByUs {
		return
	}
	d.trouble = troubleText(ctx, why)
}

// hindered reports whether d is not connected for a reason of somebody else's. The caller
// holds mu.
func (d *device) hindered() bool {
	return d.client == nil && !slices.Contains([]string{"", stoppedByUs, restarting, faked}, d.trouble)
}

// troubleText is why without the port of our side, so that what happens to many devices
// reads the same for each.
func troubleText(ctx context.Context, why error) string {
	if why == context.Cause(ctx) { //nolint:errorlint // one that wraps it says more
		return cutShort
	}
	text := why.Error()
	var op *net.OpError
	if errors.As(why, &op) && op.Source != nil {
		text = strings.Replace(text, op.Source.String()+"->", "", 1)
	}
	return text
}
