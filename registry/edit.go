package registry

import (
	"context"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// EditDevice changes one device; product 0: of any product. Groups are absolute, take the
// right to assign them, and a missing one is made in the product the call names, or in
// the team. A lock takes effect at the next handshake, with edit.Flash also at once;
// unmarking a development device has it decided anew at once, as does any change that
// meets a running download. It returns fleet.Invalid for a lock to an unknown version.
func (r *Registry) EditDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (fleet.DeviceView, error) {
	s, err := r.mayEdit(ctx, actor, product, id, edit)
	if err != nil {
		return fleet.DeviceView{}, err
	}
	change, err := r.change(ctx, actor, product, &s.device, edit, true)
	if err != nil {
		return fleet.DeviceView{}, err
	}
	after, err := r.apply(ctx, actor, id, change)
	if err == nil && change.groups != nil {
		err = r.leaveDeleted(ctx, actor.Team, *change.groups, id)
	}
	if err != nil {
		return fleet.DeviceView{}, err
	}
	return r.view(ctx, actor, after)
}

// apply writes a change, records it and tells of it.
func (r *Registry) apply(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, change change) (fleet.Device, error) {
	var before fleet.Device
	after, err := r.edit(ctx, actor.Team, change.product, id, func(d *fleet.Device) error {
		if err := fleet.Unchanged("device "+string(id), change.If, tagOf(actor, d)); err != nil {
			return err
		}
		before = *d
		return change.apply(d)
	})
	if err != nil {
		return after, err
	}
	old, now := changedFields(&before, &after)
	if len(now) > 0 {
		r.audit.Record(ctx, actor, "device.update", string(id), old, now)
		r.announceEdit(&before, &after)
	}
	r.tellLive(&before, &after, change.Flash)
	return after, nil
}

// PreviewDevice is the impact EditDevice would have, for who may do it.
func (r *Registry) PreviewDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (fleet.Impact, error) {
	s, err := r.mayEdit(ctx, actor, product, id, edit)
	if err != nil {
		return fleet.Impact{}, err
	}
	change, err := r.change(ctx, actor, product, &s.device, edit, false)
	if err != nil {
		return fleet.Impact{}, err
	}
	return r.forecast.Preview(ctx, actor, s.device.Product, []fleet.DeviceID{id}, func(e *fleet.IndexEntry) {
		set(&e.Development, edit.Development)
		set(&e.Force, edit.Force)
		set(&e.Disabled, edit.Disabled)
		set(&e.Lock, change.lock)
		set(&e.Groups, change.groups)
	})
}

// mayEdit loads a device and asks for each right that edit takes.
func (r *Registry) mayEdit(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (sighted, error) {
	s, err := r.look(ctx, actor, product, id)
	if err != nil {
		return s, err
	}
	if err := s.may(actor, fleet.EditDevice); err != nil {
		return s, err
	}
	if edit.Groups != nil {
		return s, s.may(actor, fleet.AssignGroups)
	}
	return s, nil
}

// change is a DeviceEdit whose names are resolved.
type change struct {
	fleet.DeviceEdit
	product fleet.ProductID // of the device; 0: any of the team's
	lock    *fleet.Version  // in the catalog's spelling
	groups  *[]fleet.GroupID
}

// change checks edit against everything but the record. Without create, groups that
// don't exist are left out: nothing is released to them.
func (r *Registry) change(ctx context.Context, actor fleet.Actor, scope fleet.ProductID, d *fleet.Device, edit fleet.DeviceEdit, create bool) (change, error) {
	out := change{DeviceEdit: edit}
	if edit.Name != nil {
		if err := fleet.CheckText("name", *edit.Name, maxName); err != nil {
			return out, err
		}
	}
	if edit.Notes != nil {
		if err := fleet.CheckText("notes", *edit.Notes, maxNotes); err != nil {
			return out, err
		}
	}
	if edit.Flash && (edit.Lock == nil || edit.Lock.IsZero()) {
		return out, fleet.FieldErrorf("flash", "flash goes with a desired_firmware_version: to send a version once, use POST /v1/devices/{id}/flash")
	}
	if edit.Lock != nil {
		v, err := r.known(ctx, d.Product, "desired_firmware_version", *edit.Lock)
		if err != nil {
			return out, err
		}
		out.lock = &v
	}
	if edit.Gateway != nil && *edit.Gateway != "" {
		if d.Kind != fleet.BLE {
			return out, fleet.FieldErrorf("gatewayId", "device %s is no BLE device: only those are attached to a gateway", d.ID)
		}
		if create {
			if err := r.makeGateway(ctx, actor, *edit.Gateway); err != nil {
				return out, err
			}
		}
	}
	if edit.Groups == nil {
		return out, nil
	}
	names := *edit.Groups
	if !create {
		known, err := r.GroupNames(ctx, actor, 0)
		if err != nil {
			return out, err
		}
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			for _, other := range known {
				if other == name {
					return false
				}
			}
			return true
		})
	}
	ids, err := r.fitting(ctx, actor, d.Product, scope, names, create)
	out.groups = &ids
	return out, err
}

// known is v as the product's catalog spells it; the zero Version is itself.
func (r *Registry) known(ctx context.Context, product fleet.ProductID, field string, v fleet.Version) (fleet.Version, error) {
	if v.IsZero() {
		return v, nil
	}
	c, err := r.catalogs.Catalog(ctx, product)
	if err != nil {
		return v, err
	}
	f, ok := c.Find(v)
	if !ok {
		return v, fleet.FieldErrorf(field, "version %s is not uploaded in product %s: upload it first", v, c.Product.Slug)
	}
	return f.Version, nil
}

func (c change) apply(d *fleet.Device) error {
	set(&d.Name, c.Name)
	set(&d.Notes, c.Notes)
	set(&d.Development, c.Development)
	set(&d.Force, c.Force)
	set(&d.Disabled, c.Disabled)
	set(&d.Lock, c.lock)
	set(&d.Groups, c.groups)
	if c.Gateway != nil && *c.Gateway != d.Gateway {
		d.Gateway = *c.Gateway
		d.Session++ // the gateway it had may write nothing more
	}
	return nil
}

// tellLive has the connected side act on what changed.
func (r *Registry) tellLive(before, after *fleet.Device, flash bool) {
	unmarked := before.Development && !after.Development
	steered := before.Lock != after.Lock || before.Development != after.Development || !slices.Equal(before.Groups, after.Groups)
	switch {
	case after.Disabled && !before.Disabled, after.Gateway != before.Gateway:
		r.live.Kick(after.ID)
	case flash, unmarked, steered && after.Update.State.Running():
		r.live.Recheck(after.ID)
	}
}

// changedFields are the operator's fields that differ, before and after.
func changedFields(before, after *fleet.Device) (old, now audit.Fields) {
	old, now = audit.Fields{}, audit.Fields{}
	note := func(name string, a, b any, same bool) {
		if !same {
			old[name], now[name] = a, b
		}
	}
	note("name", before.Name, after.Name, before.Name == after.Name)
	note("notes", before.Notes, after.Notes, before.Notes == after.Notes)
	note("development", before.Development, after.Development, before.Development == after.Development)
	note("firmware_updates_forced", before.Force, after.Force, before.Force == after.Force)
	note("disabled", before.Disabled, after.Disabled, before.Disabled == after.Disabled)
	note("desired_firmware_version", before.Lock.String(), after.Lock.String(), before.Lock == after.Lock)
	note("groups", before.Groups, after.Groups, slices.Equal(before.Groups, after.Groups))
	note("gatewayId", before.Gateway, after.Gateway, before.Gateway == after.Gateway)
	return old, now
}
