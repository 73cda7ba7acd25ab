package registry

import (
	"context"
	"errors"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// maxBatch bounds the devices of one batch.
const maxBatch = 10_000

// EditGroups adds and removes groups on many devices. Nothing is changed unless every
// device and group named is there; from then on each device is changed by itself, a crash
// in between is made good by Resume, and after an error the same call may be made again.
func (r *Registry) EditGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) error {
	add, remove, err := r.groupsEdit(ctx, actor, edit)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // a client that leaves must not leave half of it
	work := batch{Team: actor.Team, User: actor.User, Email: actor.Email, Product: edit.Product, Devices: edit.Devices, Add: add, Remove: remove}
	end, err := r.begin(ctx, work)
	if err != nil {
		return err
	}
	defer end()
	devices, errs := r.carryOut(ctx, work)
	failed := []error{r.leaveDeleted(ctx, actor.Team, add, edit.Devices...)}
	var done, downloading []fleet.DeviceID
	for i, err := range errs {
		switch {
		case err != nil:
			failed = append(failed, err)
		default:
			done = append(done, edit.Devices[i])
			if devices[i].Update.State.Running() {
				downloading = append(downloading, edit.Devices[i])
			}
		}
	}
	if len(done) > 0 {
		r.audit.Record(ctx, actor, "device.groups", edit.Product.String(), nil, audit.Fields{"devices": some(done), "count": len(done), "add": edit.Add, "remove": edit.Remove})
	}
	r.live.Recheck(downloading...)
	return errors.Join(some(failed)...)
}

// PreviewGroups is the impact EditGroups would have, for who may do it.
func (r *Registry) PreviewGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) (fleet.Impact, error) {
	add, remove, err := r.groupsEdit(ctx, actor, edit)
	if err != nil {
		return fleet.Impact{}, err
	}
	return r.forecast.Preview(ctx, actor, edit.Product, edit.Devices, func(e *fleet.IndexEntry) {
		e.Groups = edited(e.Groups, add, remove)
	})
}

// groupsEdit checks rights, devices and groups, and finds the groups.
func (r *Registry) groupsEdit(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) (add, remove []fleet.GroupID, err error) {
	c, err := r.catalog(ctx, actor, edit.Product)
	if err != nil {
		return nil, nil, err
	}
	if err := batchSize(edit.Devices); err != nil {
		return nil, nil, err
	}
	_, errs := each(edit.Devices, func(id fleet.DeviceID) (sighted, error) { return r.look(ctx, actor, c.Product.ID, id) })
	for _, err := range errs {
		if err != nil {
			return nil, nil, err
		}
	}
	return r.groupsChange(ctx, actor, edit)
}

// groupsChange finds the groups of an edit, for who may assign them.
func (r *Registry) groupsChange(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) (add, remove []fleet.GroupID, err error) {
	c, err := r.catalog(ctx, actor, edit.Product)
	if err != nil {
		return nil, nil, err
	}
	if err := may(actor, fleet.AssignGroups); err != nil {
		return nil, nil, err
	}
	if add, err = r.fitting(ctx, actor, c.Product.ID, c.Product.ID, edit.Add, false); err != nil {
		return nil, nil, err
	}
	remove, err = r.existing(ctx, actor.Team, edit.Remove)
	return add, remove, err
}

func batchSize(ids []fleet.DeviceID) error {
	if len(ids) == 0 || len(ids) > maxBatch {
		return fleet.FieldErrorf("devices", "send 1 to %d device ids", maxBatch)
	}
	return nil
}

// edited is a new, sorted list of groups with add and without remove.
func edited(groups, add, remove []fleet.GroupID) []fleet.GroupID {
	out := slices.DeleteFunc(slices.Clone(groups), func(g fleet.GroupID) bool { return slices.Contains(remove, g) })
	return fleet.SortGroups(append(out, add...))
}
