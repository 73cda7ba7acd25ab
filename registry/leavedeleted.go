package registry

import (
	"context"
	"errors"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// leaveDeleted takes devices out of those of groups that were deleted while the devices
// were put in. A deletion takes the group from its team first and then from its devices:
// what came before it finds there, what came later is found here.
func (r *Registry) leaveDeleted(ctx context.Context, team fleet.TeamID, groups []fleet.GroupID, devices ...fleet.DeviceID) error {
	if len(groups) == 0 || len(devices) == 0 {
		return nil
	}
	known, err := r.teams.Groups(ctx, team)
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(slices.Clone(groups), func(id fleet.GroupID) bool {
		return slices.ContainsFunc(known, func(g fleet.Group) bool { return g.ID == id })
	})
	if len(gone) == 0 {
		return nil
	}
	_, errs := each(devices, func(id fleet.DeviceID) (fleet.Device, error) {
		d, err := r.devices.Edit(ctx, id, func(d *fleet.Device) error {
			d.Groups = edited(d.Groups, nil, gone)
			return nil
		})
		if errors.Is(err, fleet.NotFound) {
			err = nil
		}
		return d, err
	})
	return errors.Join(errs...)
}
