package handshake

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/fleet"
)

// AdmitAttached returns a new session of BLE device id, which its gateway relays: the gateway's
// session replaces a proof of the device's own. It loads the record in one round trip. Errors:
// fleet.Denied for every device the gateway may not relay, whether unknown, disabled, of another
// team or attached elsewhere; fleet.Unavailable from the store.
func (s *Service) AdmitAttached(ctx context.Context, gateway *Session, id fleet.DeviceID) (*Session, error) {
	d, err := s.load(ctx, id)
	if errors.Is(err, fleet.NotFound) || err == nil && !attached(d, gateway) {
		s.refused[NotAttached].Add(1)
		return nil, fleet.Errorf(fleet.Denied, "device %s is not attached to gateway %s", id, gateway.id)
	}
	if err != nil {
		return nil, err
	}
	s.admitted.Add(1)
	return (&Session{gateway: gateway.id, address: gateway.address}).begun(d, s.node), nil
}

// attached reports whether gateway may relay d.
func attached(d *fleet.Device, gateway *Session) bool {
	return d.Kind == fleet.BLE && d.Gateway == gateway.id && d.Team == gateway.team && !d.Disabled
}
