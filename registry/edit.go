package registry

import (
	"context"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// EditDevice changes a device of a product; product 0: of any. Groups are the whole list
// and require the right to assign them; one that does not exist is created in product, or
// in the team if product is 0. A lock takes effect at the next handshake, with edit.Flash
// also at once. The device is re-evaluated at once if it is no longer a development device,
// or if the change affects a running download. It returns fleet.Invalid for a lock to a
// version that was not uploaded, and fleet.Conflict if edit.If is not the device's tag.
func (r *Registry) EditDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (fleet.DeviceView, error) {
	id = id.In(actor.Team)
	s, err := r.mayEdit(ctx, actor, product, id, edit)
	if err != nil {
		return fleet.DeviceView{}, err
	}
	change, err := r.check(ctx, &s.device, edit)
	if err != nil {
		return fleet.DeviceView{}, err
	}
	change.product = product
	if edit.Gateway != nil && *edit.Gateway != "" {
		change.Gateway = new(edit.Gateway.In(actor.Team))
		if err := r.makeGateway(ctx, actor, *edit.Gateway); err != nil {
			return fleet.DeviceView{}, err
		}
	}
	if edit.Groups != nil {
		groups, err := r.ensureGroups(ctx, actor, s.device.Product, product, *edit.Groups)
		if err != nil {
			return fleet.DeviceView{}, err
		}
		change.groups = &groups
	}
	after, err := r.apply(ctx, actor, id, change)
	if err == nil && change.groups != nil {
		err = r.leaveDeletedGroups(ctx, actor.Team, *change.groups, id)
	}
	if err != nil {
		return fleet.DeviceView{}, err
	}
	return r.view(ctx, actor, after)
}

// PreviewDevice returns the impact that EditDevice would have, if the actor may call it.
func (r *Registry) PreviewDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (fleet.Impact, error) {
	id = id.In(actor.Team)
	s, err := r.mayEdit(ctx, actor, product, id, edit)
	if err != nil {
		return fleet.Impact{}, err
	}
	change, err := r.check(ctx, &s.device, edit)
	if err != nil {
		return fleet.Impact{}, err
	}
	if edit.Groups != nil {
		groups, err := r.existingGroups(ctx, actor, s.device.Product, *edit.Groups)
		if err != nil {
			return fleet.Impact{}, err
		}
		change.groups = &groups
	}
	return r.forecast.Preview(ctx, actor, s.device.Product, []fleet.DeviceID{id}, func(e *fleet.IndexEntry) {
		set(&e.Development, edit.Development)
		set(&e.Force, edit.Force)
		set(&e.Disabled, edit.Disabled)
		set(&e.Lock, change.lock)
		set(&e.Groups, change.groups)
	})
}

// mayEdit loads a device and checks each right that edit requires.
func (r *Registry) mayEdit(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (visibleDevice, error) {
	s, err := r.visible(ctx, actor, product, id)
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

	add, remove []fleet.GroupID
}

// check checks all of edit but its groups, and resolves the lock.
func (r *Registry) check(ctx context.Context, d *fleet.Device, edit fleet.DeviceEdit) (change, error) {
	out := change{DeviceEdit: edit}
	if edit.Name != nil {
		if err := fleet.CheckText("name", *edit.Name, fleet.MaxName); err != nil {
			return out, err
		}
	}
	if edit.Notes != nil {
		if err := fleet.CheckText("notes", *edit.Notes, fleet.MaxNotes); err != nil {
			return out, err
		}
	}
	if edit.Flash && (edit.Lock == nil || edit.Lock.IsZero()) {
		return out, fleet.FieldErrorf("flash", "flash requires a desired_firmware_version: to send a version once, use POST /v1/devices/{id}/flash")
	}
	if edit.Lock != nil {
		v, err := r.uploaded(ctx, d.Product, "desired_firmware_version", *edit.Lock)
		if err != nil {
			return out, err
		}
		out.lock = &v
	}
	if edit.Gateway != nil && *edit.Gateway != "" && d.Kind != fleet.BLE {
		return out, fleet.FieldErrorf("gatewayId", "device %s is not a BLE device: only BLE devices are attached to a gateway", d.ID)
	}
	return out, nil
}

// uploaded returns v as the product's catalog spells it, and the zero Version as it is. If v
// was not uploaded, it returns fleet.Invalid, naming field.
func (r *Registry) uploaded(ctx context.Context, product fleet.ProductID, field string, v fleet.Version) (fleet.Version, error) {
	if v.IsZero() {
		return v, nil
	}
	c, err := r.catalogs.Current(ctx, product)
	if err != nil {
		return v, err
	}
	f, ok := c.Find(v)
	if !ok {
		return v, fleet.FieldErrorf(field, "version %s is not uploaded in product %s: upload it first", v, c.Product.Slug)
	}
	return f.Version, nil
}

// apply writes a change to a device, records it and notifies the connected side.
func (r *Registry) apply(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, change change) (fleet.Device, error) {
	before, after, err := r.write(ctx, actor, id, change)
	if err != nil {
		return after, err
	}
	if old, now := changedFields(&before, &after); len(now) > 0 {
		r.audit.RecordIn(ctx, after.Product, actor, "device.update", id.String(), old, now)
	}
	return after, nil
}

// write is apply without a record of it.
func (r *Registry) write(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, change change) (before, after fleet.Device, err error) {
	after, err = r.edit(ctx, actor.Team, change.product, id, func(d *fleet.Device) error {
		if err := fleet.Unchanged("device "+id.String(), change.If, tagOf(actor, d)); err != nil {
			return err
		}
		before = *d
		change.apply(d)
		return nil
	})
	if err != nil {
		return before, after, err
	}
	r.announceEdit(&before, &after)
	r.notifyLive(&before, &after, change)
	return before, after, nil
}

func (c change) apply(d *fleet.Device) {
	set(&d.Name, c.Name)
	set(&d.Notes, c.Notes)
	set(&d.Development, c.Development)
	set(&d.Force, c.Force)
	set(&d.Disabled, c.Disabled)
	set(&d.Lock, c.lock)
	if c.Flash {
		d.Attempts = fleet.Attempts{} // "now" waits for no cool-down, and a stop was for what came before
	}
	set(&d.Groups, c.groups)
	if len(c.add)+len(c.remove) > 0 {
		d.Groups = editedGroups(d.Groups, c.add, c.remove)
	}
	if c.Gateway != nil && *c.Gateway != d.Gateway {
		d.Reattach(*c.Gateway)
	}
}

// notifyLive ends the connection of a device, or has it re-evaluated, if the change requires
// that (docs/rules.md#when-it-happens).
func (r *Registry) notifyLive(before, after *fleet.Device, change change) {
	unmarked := before.Development && !after.Development
	retargeted := before.Lock != after.Lock || before.Development != after.Development || !slices.Equal(before.Groups, after.Groups)
	switch {
	case after.Disabled && !before.Disabled, after.Gateway != before.Gateway:
		r.live.Kick(after.ID)
	case change.Flash, unmarked, retargeted && after.Update.State.Running():
		r.live.Recheck(after.ID)
	}
}

// changedFields returns the values that an edit changed, before and after.
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
