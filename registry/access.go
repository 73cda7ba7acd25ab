package registry

import (
	"cmp"
	"context"
	"errors"

	"github.com/muster-iot/muster/fleet"
)

// visibleDevice is a device the actor sees, with what fleet.May needs of it.
type visibleDevice struct {
	device  fleet.Device
	gateway *fleet.Device // of an attached BLE device
}

// visible loads a device and checks that the actor sees it and that it belongs to product;
// product 0: to any. Otherwise it returns fleet.NotFound.
func (r *Registry) visible(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (visibleDevice, error) {
	d, err := r.devices.Device(ctx, id.In(actor.Team))
	if err != nil {
		return visibleDevice{}, fleet.Hide(err, "no such device: %s", id)
	}
	v := visibleDevice{device: d}
	if d.Kind == fleet.BLE && d.Gateway != "" {
		gateway, err := r.devices.Device(ctx, d.Gateway)
		if err == nil {
			v.gateway = &gateway
		} else if !errors.Is(err, fleet.NotFound) {
			return visibleDevice{}, err
		}
	}
	if err := v.may(actor, fleet.SeeDevice); err != nil {
		return visibleDevice{}, fleet.Hide(err, "no such device: %s", id)
	}
	if product != 0 && d.Product != product {
		return visibleDevice{}, fleet.Errorf(fleet.NotFound, "no such device in this product: %s", id)
	}
	return v, nil
}

func (v *visibleDevice) may(actor fleet.Actor, action fleet.Action) error {
	return fleet.May(actor, action, fleet.Object{Team: v.device.Team, Device: &v.device, Gateway: v.gateway})
}

// edit changes a device of a team and a product; product 0: of any. If the device was
// deleted since it was loaded, it returns fleet.NotFound.
func (r *Registry) edit(ctx context.Context, team fleet.TeamID, product fleet.ProductID, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	ctx, err := r.supersede(ctx, id.In(team))
	if err != nil {
		return fleet.Device{}, err
	}
	d, err := r.devices.Edit(ctx, id.In(team), func(d *fleet.Device) error {
		if product != 0 && d.Product != product {
			return fleet.NotFound
		}
		if superseded, err := r.isSuperseded(ctx, d.ID); superseded {
			return cmp.Or(err, error(fleet.NotFound))
		}
		return r.retarget(ctx, d, change)
	})
	return d, fleet.Hide(err, "no such device: %s", id)
}

// catalog loads a product of the actor's team.
func (r *Registry) catalog(ctx context.Context, actor fleet.Actor, id fleet.ProductID) (*fleet.Catalog, error) {
	c, err := r.catalogs.Catalog(ctx, id)
	if err != nil {
		return nil, fleet.Hide(err, "no such product: %s", id)
	}
	if err := fleet.May(actor, fleet.SeeTeam, fleet.Object{Team: c.Product.Team}); err != nil {
		return nil, fleet.Hide(err, "no such product: %s", id)
	}
	return c, nil
}
