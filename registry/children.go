package registry

import (
	"context"
	"errors"
	"log/slog"

	"github.com/muster-iot/muster/fleet"
)

// childrenOf are the BLE devices attached to gateway, by id.
func (r *Registry) childrenOf(team fleet.TeamID, gateway fleet.DeviceID) ([]fleet.DeviceID, error) {
	return r.index.IDs(fleet.DeviceQuery{
		Actor: fleet.Actor{Team: team, Role: fleet.Owner}, Gateway: gateway, Kinds: []fleet.DeviceKind{fleet.BLE},
	})
}

// detachAll leaves the BLE devices of a deleted gateway attached to none. What it can't
// reach names a gateway that is not there, which nothing can speak for.
func (r *Registry) detachAll(ctx context.Context, team fleet.TeamID, gateway fleet.DeviceID) {
	ctx = context.WithoutCancel(ctx)
	ids, err := r.childrenOf(team, gateway)
	_, errs := each(ids, func(id fleet.DeviceID) (fleet.Device, error) {
		return r.devices.Edit(ctx, id, func(d *fleet.Device) error {
			if d.Gateway == gateway {
				d.Gateway = ""
				d.Session++
			}
			return nil
		})
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		r.log.LogAttrs(ctx, slog.LevelError, "devices of a deleted gateway not detached", slog.String("device", string(gateway)), slog.Any("err", err))
	}
}
