package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

// Hear returns e as actor sees it, and whether they may see it at all. An event of a device
// reaches actors who see the device at this moment, one of groups actors who see any of them.
func (r *Registry) Hear(ctx context.Context, actor fleet.Actor, e event.Event) (v event.View, heard bool, err error) {
	if member := fleet.May(actor, fleet.SeeTeam, fleet.Object{Team: e.Team}) == nil; !member {
		return v, false, nil
	}
	v.Event = e
	if e.Device != "" {
		s, err := r.visible(ctx, actor, 0, e.Device)
		if errors.Is(err, fleet.NotFound) {
			return v, false, nil
		}
		if err != nil {
			return v, false, err
		}
		v.Running, v.Product = s.device.Running, s.device.Product
	}
	v.Groups = actor.Visible(e.Groups)
	if len(e.Groups) > 0 && len(v.Groups) == 0 && !e.Wide {
		return v, false, nil
	}
	if len(v.Groups) == 0 {
		return v, true, nil
	}
	names, err := r.GroupNames(ctx, actor, 0)
	for _, g := range v.Groups {
		if name, ok := names[g]; ok {
			v.GroupNames = append(v.GroupNames, name)
		}
	}
	slices.Sort(v.GroupNames)
	return v, err == nil, err
}

func (r *Registry) announceGroup(g fleet.Group, action event.GroupAction) {
	r.live.Announce(event.Event{
		Payload: event.GroupChanged{Action: action, Group: g.Name}, Team: g.Team, Product: g.Product, Groups: []fleet.GroupID{g.ID}, At: time.Now(),
	})
}

// announceEdit sends events about what changed of a device. Their groups are filtered for each
// listener.
func (r *Registry) announceEdit(before, after *fleet.Device) {
	announce := func(p event.Payload, groups []fleet.GroupID) {
		r.live.Announce(event.Event{Payload: p, Team: after.Team, Product: after.Product, Device: after.ID, Groups: groups, At: time.Now()})
	}
	if before.Lock != after.Lock {
		announce(event.DeviceLocked{Version: after.Lock}, nil)
	}
	if before.Development != after.Development {
		announce(event.DeviceDevelopment{Development: after.Development}, nil)
	}
	if !slices.Equal(before.Groups, after.Groups) {
		announce(event.DeviceGroupsChanged{}, changedGroups(before.Groups, after.Groups))
	}
	if before.Name != after.Name || before.Notes != after.Notes || before.Force != after.Force || before.Disabled != after.Disabled || before.Gateway != after.Gateway {
		announce(event.DeviceEdited{DeviceName: after.Name}, nil)
	}
}

// changedGroups returns the groups that are in only one of the lists.
func changedGroups(before, after []fleet.GroupID) []fleet.GroupID {
	var changed []fleet.GroupID
	for _, g := range slices.Concat(before, after) {
		if slices.Contains(before, g) != slices.Contains(after, g) {
			changed = append(changed, g)
		}
	}
	return changed
}
