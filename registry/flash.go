package registry

import (
	"context"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// FlashDevice sends one uploaded version to one online device, once, whatever the rules
// say. It sets no lock. It returns fleet.Conflict when the device is offline.
func (r *Registry) FlashDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, v fleet.Version) error {
	s, err := r.mayEdit(ctx, actor, product, id, fleet.DeviceEdit{})
	if err != nil {
		return err
	}
	if v.IsZero() {
		return fleet.FieldErrorf("version", "the version is missing")
	}
	if v, err = r.known(ctx, s.device.Product, "version", v); err != nil {
		return err
	}
	e, err := r.index.Entry(id)
	if err != nil {
		return err
	}
	if !e.Online {
		return fleet.Errorf(fleet.Conflict, "device %s is offline: flash it when it is online, or lock it to the version", id)
	}
	_, err = r.edit(ctx, actor.Team, s.device.Product, id, func(d *fleet.Device) error {
		d.Flash = v
		return nil
	})
	if err != nil {
		return err
	}
	r.audit.Record(ctx, actor, "device.flash", string(id), nil, audit.Fields{"version": v.String()})
	r.live.Recheck(id)
	return nil
}

// DeleteDevice removes a device with its credential and history and ends its connection.
// The BLE devices of a gateway stay, attached to none.
func (r *Registry) DeleteDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) error {
	s, err := r.mayDelete(ctx, actor, product, id)
	if err != nil {
		return err
	}
	if err := r.devices.Delete(ctx, id); err != nil {
		return hidden(err, "no such device: %s", id)
	}
	r.audit.Record(ctx, actor, "device.delete", string(id), audit.Fields{"name": s.device.Name, "product_id": s.device.Product}, nil)
	r.live.Kick(id)
	if s.device.Kind == fleet.Gateway {
		r.detachAll(ctx, actor.Team, id)
	}
	return nil
}

// PreviewDelete is the impact DeleteDevice would have, for who may do it: no device gets
// an update thereby.
func (r *Registry) PreviewDelete(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (fleet.Impact, error) {
	_, err := r.mayDelete(ctx, actor, product, id)
	return fleet.Impact{Of: 1}, err
}

func (r *Registry) mayDelete(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (sighted, error) {
	s, err := r.look(ctx, actor, product, id)
	if err != nil {
		return s, err
	}
	members, err := r.teams.Members(ctx, actor.Team)
	if err != nil {
		return s, err
	}
	assigned := func(g fleet.GroupID) bool {
		return slices.ContainsFunc(members, func(m fleet.Member) bool { return slices.Contains(m.Groups, g) })
	}
	return s, fleet.May(actor, fleet.DeleteDevice, fleet.Object{Team: s.device.Team, Device: &s.device, Gateway: s.gateway, Assigned: assigned})
}
