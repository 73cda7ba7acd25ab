package simulator

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/muster-iot/muster/fleet"
)

// roamer is where a BLE device is. It is used by the device's own goroutine alone.
type roamer struct {
	id       fleet.DeviceID
	gateways []*gateway // it can come into reach of; the first one first
	at       int
	attached *gateway // to which the cloud has attached it, as far as is known
	air      *air     // the last
}

// dial comes into reach of a gateway, which attaches the device where it is not known to
// be attached.
func (r *roamer) dial(ctx context.Context) (client, error) {
	if r.air != nil {
		r.air.mu.Lock()
		why := r.air.why
		r.air.mu.Unlock()
		switch {
		case errors.Is(why, errDetached):
			r.attached = nil
		case errors.Is(why, errOutOfReach) && r.air.trunk.gateway.radio.Roam > 0:
			r.at = rand.IntN(len(r.gateways)) //nolint:gosec // no secret
		}
	}
	g := r.gateways[r.at]
	t, err := g.connection(ctx)
	if err != nil {
		return nil, err
	}
	if r.attached != g {
		if err := t.attach(ctx, r.id); err != nil {
			return nil, err
		}
		r.attached = g
	}
	r.air = t.open(r.id)
	return r.air, nil
}
