package registry

import (
	"context"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// FlashDevice sends one uploaded version to one online device, once, whatever the rules
// decide. It sets no lock. It returns fleet.Conflict if the device is offline.
func (r *Registry) FlashDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, v fleet.Version) error {
	id = id.In(actor.Team)
	s, err := r.mayEdit(ctx, actor, product, id, fleet.DeviceEdit{})
	if err != nil {
		return err
	}
	if v.IsZero() {
		return fleet.FieldErrorf("version", "the version is missing")
	}
	if v, err = r.uploaded(ctx, s.device.Product, "version", v); err != nil {
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
	r.audit.RecordIn(ctx, s.device.Product, actor, "device.flash", id.String(), nil, audit.Fields{"version": v.String()})
	r.live.Recheck(id)
	return nil
}
