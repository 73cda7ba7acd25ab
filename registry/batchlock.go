package registry

import (
	"context"
	"maps"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// EditDevices locks, unlocks, marks or unmarks many devices. Nothing is changed unless the
// actor may edit every one of them; from then on each device is changed by itself, a crash
// in between is made good by Resume, and the same call may be made again. It returns
// fleet.Invalid for a lock to an unknown version.
func (r *Registry) EditDevices(ctx context.Context, actor fleet.Actor, edit fleet.DevicesEdit) error {
	change, err := r.devicesEdit(ctx, actor, edit)
	if err != nil {
		return err
	}
	work := batch{Team: actor.Team, User: actor.User, Email: actor.Email, Product: edit.Product, Devices: edit.Devices, Development: edit.Development}
	if change.lock != nil {
		version := change.lock.String()
		work.Lock = &version
	}
	ctx = context.WithoutCancel(ctx) // a client that leaves must not leave half of it
	end, err := r.begin(ctx, work)
	if err != nil {
		return err
	}
	defer end()
	for _, err := range r.steer(ctx, actor, edit.Devices, change) {
		if err != nil {
			return err
		}
	}
	return nil
}

// steer applies change to each device by itself.
func (r *Registry) steer(ctx context.Context, actor fleet.Actor, ids []fleet.DeviceID, change change) []error {
	_, errs := each(ids, func(id fleet.DeviceID) (fleet.Device, error) { return r.apply(ctx, actor, id, change) })
	return errs
}

// PreviewDevices is the impact EditDevices would have, for who may do it.
func (r *Registry) PreviewDevices(ctx context.Context, actor fleet.Actor, edit fleet.DevicesEdit) (fleet.Impact, error) {
	change, err := r.devicesEdit(ctx, actor, edit)
	if err != nil {
		return fleet.Impact{}, err
	}
	return r.forecast.Preview(ctx, actor, edit.Product, edit.Devices, func(e *fleet.IndexEntry) {
		set(&e.Development, change.Development)
		set(&e.Lock, change.lock)
	})
}

// devicesEdit checks rights, devices and version.
func (r *Registry) devicesEdit(ctx context.Context, actor fleet.Actor, edit fleet.DevicesEdit) (change, error) {
	out := change{DeviceEdit: fleet.DeviceEdit{Development: edit.Development, Flash: edit.Flash}, product: edit.Product}
	c, err := r.catalog(ctx, actor, edit.Product)
	if err != nil {
		return out, err
	}
	if err := batchSize(edit.Devices); err != nil {
		return out, err
	}
	_, errs := each(edit.Devices, func(id fleet.DeviceID) (sighted, error) {
		s, err := r.look(ctx, actor, c.Product.ID, id)
		if err != nil {
			return s, err
		}
		return s, s.may(actor, fleet.EditDevice)
	})
	for _, err := range errs {
		if err != nil {
			return out, err
		}
	}
	if edit.Lock != nil {
		v, err := r.known(ctx, c.Product.ID, "version", *edit.Lock)
		if err != nil {
			return out, err
		}
		out.lock = &v
	}
	return out, nil
}

// PreviewDeleteGroup is the impact DeleteGroup would have, over all products whose devices
// are in the group, for who may do it.
func (r *Registry) PreviewDeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.Impact, error) {
	g, err := r.mayDeleteGroup(ctx, actor, product, name)
	if err != nil {
		return fleet.Impact{}, err
	}
	products := map[fleet.ProductID]bool{}
	err = r.index.Count(actor, g.Product, func(e *fleet.IndexEntry, _ int) {
		if slices.Contains(e.Groups, g.ID) {
			products[e.Product] = true
		}
	})
	if err != nil {
		return fleet.Impact{}, err
	}
	var sum fleet.Impact
	for _, of := range slices.Sorted(maps.Keys(products)) {
		impact, err := r.forecast.Preview(ctx, actor, of, nil, func(e *fleet.IndexEntry) {
			e.Groups = edited(e.Groups, nil, []fleet.GroupID{g.ID})
		})
		if err != nil {
			return fleet.Impact{}, err
		}
		sum.Add(impact)
	}
	return sum, nil
}
