package registry

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// DeleteDevice deletes a device of a product with its credential and history, and ends its
// connection; product 0: of any. The BLE devices of a gateway remain, detached.
func (r *Registry) DeleteDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) error {
	id = id.In(actor.Team)
	s, err := r.mayDelete(ctx, actor, product, id)
	if err != nil {
		return err
	}
	if err := r.devices.Delete(ctx, id); err != nil {
		return fleet.Hide(err, "no such device: %s", id)
	}
	r.audit.RecordIn(ctx, s.device.Product, actor, "device.delete", id.String(), audit.Fields{"name": s.device.Name, "product_id": s.device.Product}, nil)
	r.live.Kick(id)
	if s.device.Kind == fleet.Gateway {
		r.detachAll(ctx, actor.Team, id)
	}
	return nil
}

// PreviewDelete returns the impact that DeleteDevice would have, if the actor may call it: no
// device receives an update.
func (r *Registry) PreviewDelete(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (fleet.Impact, error) {
	_, err := r.mayDelete(ctx, actor, product, id)
	return fleet.Impact{Of: 1}, err
}

func (r *Registry) mayDelete(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (visibleDevice, error) {
	s, err := r.visible(ctx, actor, product, id)
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

// detachAll detaches the BLE devices of a deleted gateway. One it can't write to keeps the id
// of a gateway that does not exist, which does no harm.
func (r *Registry) detachAll(ctx context.Context, team fleet.TeamID, gateway fleet.DeviceID) {
	ctx = context.WithoutCancel(ctx)
	ids, err := r.childrenOf(team, gateway)
	_, errs := each(ids, func(id fleet.DeviceID) (fleet.Device, error) {
		return r.devices.Edit(ctx, id, func(d *fleet.Device) error {
			if d.Gateway == gateway {
				d.Reattach("")
			}
			return nil
		})
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		r.log.LogAttrs(ctx, slog.LevelError, "devices of a deleted gateway not detached", slog.String("device", gateway.String()), slog.Any("err", err))
	}
}
