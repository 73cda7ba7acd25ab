package registry

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// childrenOf are the BLE devices attached to gateway, by id.
func (r *Registry) childrenOf(team fleet.TeamID, gateway fleet.DeviceID) ([]fleet.DeviceID, error) {
	var ids []fleet.DeviceID
	err := r.index.Each(team, 0, func(e *fleet.IndexEntry) bool {
		if e.Kind == fleet.BLE && e.Gateway == gateway {
			ids = append(ids, e.ID)
		}
		return true
	})
	slices.Sort(ids)
	return ids, err
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
