package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Import adds devices to a product, with new secrets, groups and, for BLE devices, their
// gateway, and returns the outcome of each id. A device is created with its groups in one
// write, so that it never runs without them. It requires the right to import and, if groups
// are given, to assign them.
func (r *Registry) Import(ctx context.Context, actor fleet.Actor, order fleet.Import) (fleet.Imported, error) {
	c, err := r.catalog(ctx, actor, order.Product)
	if err != nil {
		return fleet.Imported{}, err
	}
	if err := actor.May(fleet.ImportDevices); err != nil {
		return fleet.Imported{}, err
	}
	if order.Gateway != "" {
		if err := r.makeGateway(ctx, actor, order.Gateway); err != nil {
			return fleet.Imported{}, err
		}
	}
	var groups []fleet.GroupID
	if len(order.Groups) > 0 {
		if err := actor.May(fleet.AssignGroups); err != nil {
			return fleet.Imported{}, err
		}
		if groups, err = r.ensureGroups(ctx, actor, c.Product.ID, c.Product.ID, order.Groups); err != nil {
			return fleet.Imported{}, err
		}
	}
	out := fleet.Imported{Secrets: map[fleet.DeviceID]string{}}
	devices := newDevices(actor.Team, order, groups, &out)
	err = errors.Join(r.create(ctx, devices, &out), r.leaveDeletedGroups(ctx, actor.Team, groups, out.Updated...))
	if len(out.Updated) > 0 {
		r.audit.Record(ctx, actor, "device.import", c.Product.Slug, nil,
			audit.Fields{"devices": first(out.Updated), "count": len(out.Updated), "groups": order.Groups, "gateway": order.Gateway})
	}
	return out, err
}

// newDevices returns records with secrets for those ids that are valid.
func newDevices(team fleet.TeamID, order fleet.Import, groups []fleet.GroupID, out *fleet.Imported) []*fleet.Device {
	var devices []*fleet.Device
	now, taken := time.Now().UTC(), map[fleet.DeviceID]bool{}
	for _, text := range order.IDs {
		id, err := fleet.ParseDeviceID(text)
		if err != nil {
			out.Invalid = append(out.Invalid, text)
			continue
		}
		if taken[id] {
			continue
		}
		taken[id] = true
		d := &fleet.Device{ID: id, Team: team, Product: order.Product, Groups: groups, UpdatesOn: true, Created: now}
		if order.Gateway != "" {
			d.Kind, d.Gateway = fleet.BLE, order.Gateway
		} else {
			out.Secrets[id], d.Secret = newSecret()
		}
		devices = append(devices, d)
	}
	return devices
}

// create writes devices and sorts their ids in out by the outcome.
func (r *Registry) create(ctx context.Context, devices []*fleet.Device, out *fleet.Imported) error {
	if err := r.fences.flush(ctx, r.journal); err != nil {
		return err
	}
	var taken []*fleet.Device
	var failed error
	for i, err := range r.devices.CreateMany(ctx, devices) {
		id := devices[i].ID
		switch {
		case err == nil:
			out.Updated = append(out.Updated, id)
			continue
		case errors.Is(err, fleet.Conflict):
			taken = append(taken, devices[i])
		default:
			failed = err
		}
		delete(out.Secrets, id)
	}
	records, errs := each(taken, func(d *fleet.Device) (fleet.Device, error) { return r.devices.Device(ctx, d.ID) })
	for i, d := range taken {
		switch {
		case errs[i] != nil && !errors.Is(errs[i], fleet.NotFound):
			failed = errs[i]
		case errs[i] == nil && records[i].Team == d.Team && records[i].Product == d.Product:
			out.Existing = append(out.Existing, d.ID)
		default:
			out.Nonmember = append(out.Nonmember, d.ID)
		}
	}
	return failed
}

// makeGateway checks that a device of the team can be a gateway, and makes it one. Only an
// actor who may import devices makes a gateway: it will speak for others and see their
// commands.
func (r *Registry) makeGateway(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error {
	s, err := r.visible(ctx, actor, 0, id)
	if errors.Is(err, fleet.NotFound) {
		return fleet.FieldErrorf("gateway", "no such device: %.140s", id)
	}
	if err != nil {
		return err
	}
	if err := s.may(actor, fleet.EditDevice); err != nil {
		return err
	}
	if s.device.Kind == fleet.BLE {
		return fleet.FieldErrorf("gateway", "device %s is a BLE device: it can't be a gateway", id)
	}
	if s.device.Kind == fleet.Gateway {
		return nil
	}
	if err := actor.May(fleet.ImportDevices); err != nil {
		return fmt.Errorf("device %s is not a gateway, and making it one: %w", id, err)
	}
	_, err = r.edit(ctx, actor.Team, s.device.Product, id, func(d *fleet.Device) error {
		if d.Kind == fleet.Generic {
			d.Kind = fleet.Gateway
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.audit.Record(ctx, actor, "device.gateway", string(id), audit.Fields{"type": s.device.Kind.String()}, audit.Fields{"type": fleet.Gateway.String()})
	r.live.Kick(id) // it reconnects with the topics of a gateway
	return nil
}

// RotateSecret replaces the secret of a device, ends its connection, and returns the new
// secret, which is not kept. It returns fleet.Conflict for a BLE device, which has none.
func (r *Registry) RotateSecret(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) (string, error) {
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
	r.audit.Record(ctx, actor, "device.rotate", string(id), nil, audit.Fields{"credential": "new secret"})
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
