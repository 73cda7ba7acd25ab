package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// RotateSecret replaces the secret of a device, ends its connection, and returns the new
// secret, which is not kept. It returns fleet.Conflict for a BLE device, which has none.
func (r *Registry) RotateSecret(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) (string, error) {
	id = id.In(actor.Team)
	s, err := r.visible(ctx, actor, 0, id)
	if err != nil {
		return "", err
	}
	if err := actor.May(fleet.ImportDevices); err != nil {
		return "", err
	}
	if s.device.Kind == fleet.BLE {
		return "", fleet.Errorf(fleet.Conflict, "device %s is a BLE device: it has no credential of its own", id)
	}
	secret, hash := newSecret()
	_, err = r.edit(ctx, actor.Team, s.device.Product, id, func(d *fleet.Device) error {
		d.Secret = hash
		return nil
	})
	if err != nil {
		return "", err
	}
	r.audit.RecordIn(ctx, s.device.Product, actor, "device.rotate", id.String(), nil, audit.Fields{"credential": "new secret"})
	r.live.Kick(id)
	return secret, nil
}

// newSecret returns 256 random bits in base64url, and their hash as the record keeps it.
func newSecret() (string, fleet.Secret) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails since Go 1.24
	secret := base64.RawURLEncoding.EncodeToString(random)
	return secret, sha256.Sum256([]byte(secret))
}
