package release

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// catalogFor loads product's catalog and checks that actor may do action in its team.
func (s *Service) catalogFor(ctx context.Context, actor fleet.Actor, action fleet.Action, product fleet.ProductID) (*fleet.Catalog, error) {
	c, err := s.catalogs.Catalog(ctx, product)
	if err != nil {
		return nil, err
	}
	return c, fleet.May(actor, action, fleet.Object{Team: c.Product.Team})
}

func find(c *fleet.Catalog, v fleet.Version) (fleet.Firmware, error) {
	f, ok := c.Find(v)
	if !ok {
		return fleet.Firmware{}, fleet.Errorf(fleet.NotFound, "no version %q in product %s", v.String(), c.Product.Slug)
	}
	return f, nil
}

func mayGroup(actor fleet.Actor, action fleet.Action, c *fleet.Catalog, g fleet.GroupID) error {
	return fleet.May(actor, action, fleet.Object{Team: c.Product.Team, Group: g})
}

// sees asks fleet.Sees about an index entry.
func (s *Service) sees(actor fleet.Actor, team fleet.TeamID, e *fleet.IndexEntry) bool {
	if !actor.Role.Restricted() {
		return actor.Team == team
	}
	d := shape(team, e)
	if e.Kind != fleet.BLE || e.Gateway == "" || len(e.Groups) == 0 {
		return fleet.Sees(actor, &d, nil)
	}
	entry, err := s.index.Entry(e.Gateway)
	if err != nil {
		return fleet.Sees(actor, &d, nil)
	}
	gateway := shape(team, &entry)
	return fleet.Sees(actor, &d, &gateway)
}

// shape is as much of a device as fleet.Sees looks at.
func shape(team fleet.TeamID, e *fleet.IndexEntry) fleet.Device {
	return fleet.Device{ID: e.ID, Team: team, Product: e.Product, Kind: e.Kind, Gateway: e.Gateway, Groups: e.Groups}
}

// deviceFor loads a device and checks that actor may do action to it.
func (s *Service) deviceFor(ctx context.Context, actor fleet.Actor, action fleet.Action, id fleet.DeviceID) (fleet.Device, error) {
	d, err := s.devices.Device(ctx, id.In(actor.Team))
	if err != nil {
		return fleet.Device{}, err
	}
	return d, s.may(ctx, actor, action, &d)
}

// may checks a right, with the gateway a BLE device is judged by.
func (s *Service) may(ctx context.Context, actor fleet.Actor, action fleet.Action, d *fleet.Device) error {
	object := fleet.Object{Team: d.Team, Device: d}
	if d.Kind == fleet.BLE && d.Gateway != "" && actor.Role.Restricted() {
		if gateway, err := s.devices.Device(ctx, d.Gateway); err == nil {
			object.Gateway = &gateway
		}
	}
	if actor.Team != d.Team {
		return fleet.Errorf(fleet.NotFound, "no such device: %s", d.ID)
	}
	return fleet.May(actor, action, object)
}
