package registry

import (
	"context"
	"errors"
	"slices"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// Devices returns a page of the devices that q selects and the actor sees. It returns
// fleet.Unavailable until the index is built.
func (r *Registry) Devices(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery) (fleet.DeviceViews, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return fleet.DeviceViews{}, err
	}
	q.Actor = actor
	q.Groups = actor.Visible(q.Groups)
	found, err := r.index.Find(q)
	if err != nil {
		return fleet.DeviceViews{}, err
	}
	records, errs := each(found.IDs, func(id fleet.DeviceID) (fleet.Device, error) { return r.devices.Device(ctx, id) })
	views := fleet.DeviceViews{Next: found.Next, Total: found.Total}
	view, err := r.viewer(ctx, actor)
	if err != nil {
		return fleet.DeviceViews{}, err
	}
	for i, d := range records {
		if errors.Is(errs[i], fleet.NotFound) || errs[i] == nil && d.Team != actor.Team {
			continue // deleted since the index was read
		}
		if errs[i] != nil {
			return fleet.DeviceViews{}, errs[i]
		}
		v, err := view(ctx, d)
		if err != nil {
			return fleet.DeviceViews{}, err
		}
		views.Devices = append(views.Devices, v)
	}
	return views, nil
}

// DeviceWithUser returns a device with the MQTT user name it needs, which takes a trip more.
func (r *Registry) DeviceWithUser(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (fleet.DeviceView, error) {
	v, err := r.Device(ctx, actor, product, id)
	if err == nil {
		v.User, err = r.userOf(ctx, v.Device)
	}
	return v, err
}

// Device returns a device of a product, a gateway with the ids of its BLE devices; product
// 0: of any.
func (r *Registry) Device(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (fleet.DeviceView, error) {
	id = id.In(actor.Team)
	s, err := r.visible(ctx, actor, product, id)
	if err != nil {
		return fleet.DeviceView{}, err
	}
	v, err := r.view(ctx, actor, s.device)
	if err != nil {
		return v, err
	}
	if s.device.Kind == fleet.Gateway {
		if v.Children, err = r.childrenOf(actor.Team, id); err != nil { // an actor who sees the gateway sees them all
			return v, err
		}
	}
	return v, nil
}

// userOf returns the user name that a device needs because as many older devices of other teams as a
// connection without one can be have its id; "" where the id will do.
func (r *Registry) userOf(ctx context.Context, d fleet.Device) (string, error) {
	if d.Kind == fleet.BLE {
		return "", nil
	}
	oldest, err := r.devices.Namesakes(ctx, d.ID)
	if err != nil || slices.ContainsFunc(oldest, func(o fleet.Device) bool { return o.ID == d.ID }) {
		return "", err
	}
	return d.ID.WithTeam(), nil
}

// childrenOf returns the BLE devices attached to gateway, by id.
func (r *Registry) childrenOf(team fleet.TeamID, gateway fleet.DeviceID) ([]fleet.DeviceID, error) {
	return r.index.IDs(fleet.DeviceQuery{
		Actor: fleet.Actor{Team: team, Role: fleet.Owner}, Gateway: gateway, Kinds: []fleet.DeviceKind{fleet.BLE},
	})
}

func (r *Registry) view(ctx context.Context, actor fleet.Actor, d fleet.Device) (fleet.DeviceView, error) {
	view, err := r.viewer(ctx, actor)
	if err != nil {
		return fleet.DeviceView{}, err
	}
	return view(ctx, d)
}

// viewer returns a function that shows devices as actor may see them. It reads the groups
// of the team once.
func (r *Registry) viewer(ctx context.Context, actor fleet.Actor) (view func(context.Context, fleet.Device) (fleet.DeviceView, error), err error) {
	names, err := r.GroupNames(ctx, actor, 0)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, d fleet.Device) (fleet.DeviceView, error) {
		c, err := r.catalogs.Catalog(ctx, d.Product)
		if errors.Is(err, fleet.NotFound) {
			c, err = &fleet.Catalog{}, nil // its product is being deleted
		}
		if err != nil {
			return fleet.DeviceView{}, err
		}
		v := fleet.DeviceView{Device: d, Slug: c.Product.Slug, Tag: tagOf(actor, &d)}
		v.Target, v.Reason, _ = precedence.Decide(precedence.Of(&d), c)
		v.Released, _, _ = precedence.Decide(precedence.Facts{ID: d.ID, Running: d.Running, Groups: d.Groups}, c)
		v.Secret, v.Groups = fleet.Secret{}, nil
		for _, g := range d.Groups {
			if name, ok := names[g]; ok {
				v.Groups = append(v.Groups, g)
				v.GroupNames = append(v.GroupNames, name)
			}
		}
		slices.Sort(v.GroupNames)
		v.Online = r.index.Online(d.ID)
		if heard := r.live.Heard(d.ID); heard.After(v.LastHeard) {
			v.LastHeard = heard
		}
		return v, nil
	}, nil
}

// tagOf returns a text that changes whenever an operator changes what actor sees of d: not
// with what the device itself reports, nor with groups that actor can't see.
func tagOf(actor fleet.Actor, d *fleet.Device) string {
	return fleet.TagOf(d.Name, d.Notes, actor.Visible(d.Groups), d.Lock.String(), d.Development, d.Force, d.Disabled, d.Gateway)
}
