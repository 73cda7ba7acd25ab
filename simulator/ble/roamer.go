package ble

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/muster-iot/muster/fleet"
)

// Roamer moves a BLE device between gateways. Only the device's own goroutine uses it.
type Roamer struct {
	id       fleet.DeviceID
	gateways []*Gateway // it can come into reach of; the first one first
	at       int
	attached *Gateway // to which the cloud has attached it, as far as is known
	air      *air     // the last
}

// NewRoamer returns the roamer of device id, which comes into reach of the first of gateways
// first, and of any of them when its radio's Roam is over.
func NewRoamer(id fleet.DeviceID, gateways []*Gateway) *Roamer {
	return &Roamer{id: id, gateways: gateways}
}

// Dial connects through the gateway in reach, which attaches the device if it is not known
// to be attached.
func (r *Roamer) Dial(ctx context.Context) (Conn, error) {
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
