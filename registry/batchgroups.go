package registry

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

const maxBatch = 10_000 // devices of one batch

// EditGroups adds groups to many devices and removes groups from them. Nothing is changed
// unless every device and group exists. From then on each device is changed on its own: a
// crash in between is made good by Resume, and after an error the same call can be repeated.
func (r *Registry) EditGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) error {
	edit.Devices = fleet.DevicesIn(actor.Team, edit.Devices)
	add, remove, err := r.checkGroupsEdit(ctx, actor, edit)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // a client that disconnects must not leave half of it
	b := batch{Team: actor.Team, User: actor.User, Email: actor.Email, Product: edit.Product, Devices: edit.Devices, Add: add, Remove: remove}
	return r.journaled(ctx, b, func(ctx context.Context) error {
		devices, errs := r.regroup(ctx, b)
		failed := []error{r.leaveDeletedGroups(ctx, actor.Team, add, edit.Devices...)}
		var done, downloading []fleet.DeviceID
		for i, err := range errs {
			if err != nil {
				failed = append(failed, err)
				continue
			}
			done = append(done, edit.Devices[i])
			if devices[i].Update.State.Running() {
				downloading = append(downloading, edit.Devices[i])
			}
		}
		if len(done) > 0 {
			r.audit.RecordIn(ctx, edit.Product, actor, "device.groups", edit.Product.String(), nil,
				audit.Fields{"devices": first(done), "count": len(done), "add": edit.Add, "remove": edit.Remove})
		}
		r.live.Recheck(downloading...)
		return errors.Join(first(failed)...)
	})
}

// PreviewGroups returns the impact that EditGroups would have, if the actor may call it.
func (r *Registry) PreviewGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) (fleet.Impact, error) {
	edit.Devices = fleet.DevicesIn(actor.Team, edit.Devices)
	add, remove, err := r.checkGroupsEdit(ctx, actor, edit)
	if err != nil {
		return fleet.Impact{}, err
	}
	return r.PreviewChange(ctx, actor, edit.Product, edit.Devices, Change{Add: add, Remove: remove})
}

// checkGroupsEdit checks rights and devices, and finds the groups.
func (r *Registry) checkGroupsEdit(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) (add, remove []fleet.GroupID, err error) {
	err = r.checkDevices(ctx, actor, edit.Product, edit.Devices, func(visibleDevice) error { return nil })
	if err != nil {
		return nil, nil, err
	}
	return r.findGroups(ctx, actor, edit)
}

// findGroups finds the groups of an edit, if the actor may assign them.
func (r *Registry) findGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) (add, remove []fleet.GroupID, err error) {
	c, err := r.catalog(ctx, actor, edit.Product)
	if err != nil {
		return nil, nil, err
	}
	if err := actor.May(fleet.AssignGroups); err != nil {
		return nil, nil, err
	}
	groups, err := r.teams.Groups(ctx, actor.Team)
	if err != nil {
		return nil, nil, err
	}
	if add, err = findFor(groups, c.Product.ID, edit.Add); err != nil {
		return nil, nil, err
	}
	remove, err = fleet.FindGroups(groups, edit.Remove)
	return add, remove, err
}

// checkDevices checks the size of a batch, and that each device is in the product, that the
// actor sees it, and that may returns nil for it.
func (r *Registry) checkDevices(ctx context.Context, actor fleet.Actor, product fleet.ProductID, ids []fleet.DeviceID, may func(visibleDevice) error) error {
	c, err := r.catalog(ctx, actor, product)
	if err != nil {
		return err
	}
	if len(ids) == 0 || len(ids) > maxBatch {
		return fleet.FieldErrorf("devices", "send 1 to %d device ids", maxBatch)
	}
	_, errs := each(ids, func(id fleet.DeviceID) (visibleDevice, error) {
		d, err := r.visible(ctx, actor, c.Product.ID, id)
		if err != nil {
			return d, err
		}
		return d, may(d)
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
