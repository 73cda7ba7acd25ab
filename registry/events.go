package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Hear is e as actor hears it, and whether they hear it at all: an event of a device is
// for who sees the device at this moment, one of groups for who may see any of them.
func (r *Registry) Hear(ctx context.Context, actor fleet.Actor, e fleet.Event) (v fleet.EventView, heard bool, err error) {
	member := fleet.May(actor, fleet.SeeTeam, fleet.Object{Team: e.Team}) == nil
	if !member {
		return v, false, nil
	}
	v.Event = e
	if e.Device != "" {
		s, err := r.look(ctx, actor, 0, e.Device)
		if errors.Is(err, fleet.NotFound) {
			return v, false, nil
		}
		if err != nil {
			return v, false, err
		}
		v.Running, v.Product = s.device.Running, s.device.Product
	}
	v.Groups = seen(actor, e.Groups)
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

func (r *Registry) announceGroup(g fleet.Group, what string) {
	r.live.Announce(fleet.Event{
		Name: "muster/group", Team: g.Team, Product: g.Product, Groups: []fleet.GroupID{g.ID},
		Data: map[string]any{"action": what, "group": g.Name}, At: time.Now(),
	})
}

// announceEdit tells what changed of a device. The groups told are filtered for each
// listener.
func (r *Registry) announceEdit(before, after *fleet.Device) {
	say := func(name string, data map[string]any, groups []fleet.GroupID, wide bool) {
		r.live.Announce(fleet.Event{
			Name: name, Team: after.Team, Product: after.Product, Device: after.ID, Groups: groups, Wide: wide, Data: data, At: time.Now(),
		})
	}
	if before.Lock != after.Lock {
		say("muster/device/lock", map[string]any{"desired_firmware_version": after.Lock.String(), "locked": !after.Lock.IsZero()}, nil, false)
	}
	if before.Development != after.Development {
		say("muster/device/development", map[string]any{"development": after.Development}, nil, false)
	}
	if !slices.Equal(before.Groups, after.Groups) {
		say("muster/device/groups", nil, changedGroups(before.Groups, after.Groups), false)
	}
	if before.Name != after.Name || before.Notes != after.Notes || before.Force != after.Force || before.Disabled != after.Disabled || before.Gateway != after.Gateway {
		say("muster/device/update", map[string]any{"name": after.Name}, nil, false)
	}
}

// changedGroups are the groups in one of two lists only.
func changedGroups(before, after []fleet.GroupID) []fleet.GroupID {
	var changed []fleet.GroupID
	for _, g := range slices.Concat(before, after) {
		if slices.Contains(before, g) != slices.Contains(after, g) {
			changed = append(changed, g)
		}
	}
	return changed
}
