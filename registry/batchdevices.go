package registry

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// EditDevices sets the lock or the development mark of many devices. Nothing is changed
// unless the actor may edit every one of them. From then on each device is changed on its
// own: a crash in between is made good by Resume, and the same call can be repeated. It
// returns fleet.Invalid for a lock to a version that was not uploaded.
func (r *Registry) EditDevices(ctx context.Context, actor fleet.Actor, edit fleet.DevicesEdit) error {
	edit.Devices = fleet.DevicesIn(actor.Team, edit.Devices)
	change, err := r.checkDevicesEdit(ctx, actor, edit)
	if err != nil {
		return err
	}
	b := batch{Team: actor.Team, User: actor.User, Email: actor.Email, Product: edit.Product, Devices: edit.Devices, Development: edit.Development}
	if change.lock != nil {
		version := change.lock.String()
		b.Lock = &version
	}
	ctx = context.WithoutCancel(ctx) // a client that disconnects must not leave half of it
	return r.journaled(ctx, b, func(ctx context.Context) error {
		for _, err := range r.applyAll(ctx, actor, edit.Devices, change) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// PreviewDevices returns the impact that EditDevices would have, if the actor may call it.
func (r *Registry) PreviewDevices(ctx context.Context, actor fleet.Actor, edit fleet.DevicesEdit) (fleet.Impact, error) {
	edit.Devices = fleet.DevicesIn(actor.Team, edit.Devices)
	change, err := r.checkDevicesEdit(ctx, actor, edit)
	if err != nil {
		return fleet.Impact{}, err
	}
	return r.PreviewChange(ctx, actor, edit.Product, edit.Devices, Change{Lock: change.lock, Development: change.Development})
}

// checkDevicesEdit checks rights, devices and version.
func (r *Registry) checkDevicesEdit(ctx context.Context, actor fleet.Actor, edit fleet.DevicesEdit) (change, error) {
	out := change{DeviceEdit: fleet.DeviceEdit{Development: edit.Development, Flash: edit.Flash}, product: edit.Product}
	err := r.checkDevices(ctx, actor, edit.Product, edit.Devices, func(d visibleDevice) error { return d.may(actor, fleet.EditDevice) })
	if err != nil {
		return out, err
	}
	if edit.Lock != nil {
		v, err := r.uploaded(ctx, edit.Product, "version", *edit.Lock)
		if err != nil {
			return out, err
		}
		out.lock = &v
	}
	return out, nil
}

// applyAll applies change to each device on its own.
func (r *Registry) applyAll(ctx context.Context, actor fleet.Actor, ids []fleet.DeviceID, change change) []error {
	_, errs := each(ids, func(id fleet.DeviceID) (fleet.Device, error) { return r.apply(ctx, actor, id, change) })
	return errs
}
