package registry

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/fleet"
)

// sighted is a device the actor sees, with what fleet.May wants to know about it.
type sighted struct {
	device  fleet.Device
	gateway *fleet.Device // of an attached BLE device
}

// look loads a device and checks that the actor sees it and, unless product is 0, that it
// is one of product's. What fails is fleet.NotFound alike.
func (r *Registry) look(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (sighted, error) {
	d, err := r.devices.Device(ctx, id)
	if err != nil {
		return sighted{}, hidden(err, "no such device: %s", id)
	}
	s := sighted{device: d}
	if d.Kind == fleet.BLE && d.Gateway != "" {
		gateway, err := r.devices.Device(ctx, d.Gateway)
		if err == nil {
			s.gateway = &gateway
		} else if !errors.Is(err, fleet.NotFound) {
			return sighted{}, err
		}
	}
	if err := s.may(actor, fleet.SeeDevice); err != nil {
		return sighted{}, hidden(err, "no such device: %s", id)
	}
	if product != 0 && d.Product != product {
		return sighted{}, fleet.Errorf(fleet.NotFound, "no such device in this product: %s", id)
	}
	return s, nil
}

// edit changes a device of a team, and unless product is 0 one of product's. Its id may
// have been deleted and imported elsewhere since it was looked at: that is fleet.NotFound.
func (r *Registry) edit(ctx context.Context, team fleet.TeamID, product fleet.ProductID, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	d, err := r.devices.Edit(ctx, id, func(d *fleet.Device) error {
		if d.Team != team || product != 0 && d.Product != product {
			return fleet.NotFound
		}
		return change(d)
	})
	return d, hidden(err, "no such device: %s", id)
}

func (s *sighted) may(actor fleet.Actor, action fleet.Action) error {
	return fleet.May(actor, action, fleet.Object{Team: s.device.Team, Device: &s.device, Gateway: s.gateway})
}

// seen are those of groups that the actor may see.
func seen(actor fleet.Actor, groups []fleet.GroupID) []fleet.GroupID {
	var visible []fleet.GroupID
	for _, g := range groups {
		if fleet.May(actor, fleet.SeeGroup, fleet.Object{Team: actor.Team, Group: g}) == nil {
			visible = append(visible, g)
		}
	}
	return visible
}
