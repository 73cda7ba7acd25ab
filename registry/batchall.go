package registry

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/fleet"
)

const (
	maxStep   = 1000 // devices that one step of EditGroupsOf changes
	stepTries = 3    // a device that is deleted meanwhile makes a step start again
)

// EditGroupsOf is EditGroups for all devices of a product that q selects, one step at a
// time: it changes the next of them, by id, behind the id q.After, and returns how many
// and the id to go on behind, "" when none is left. What a step has changed stays changed.
func (r *Registry) EditGroupsOf(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery, edit fleet.GroupsEdit) (done int, next string, err error) {
	if _, _, err := r.groupsChange(ctx, actor, edit); err != nil {
		return 0, "", err
	}
	q.Actor, q.Product, q.Groups, q.Limit = actor, edit.Product, seen(actor, q.Groups), maxStep+1
	for range stepTries {
		ids, err := r.index.IDs(q)
		if err != nil || len(ids) == 0 {
			return 0, "", err
		}
		if len(ids) > maxStep {
			ids = ids[:maxStep]
			next = string(ids[maxStep-1])
		}
		edit.Devices = ids
		if err = r.EditGroups(ctx, actor, edit); err == nil {
			return len(ids), next, nil
		}
		if !errors.Is(err, fleet.NotFound) {
			return 0, "", err
		}
		next = ""
	}
	return 0, "", fleet.Errorf(fleet.Busy, "the devices keep changing: try again")
}

// PreviewGroupsOf is the impact all steps of EditGroupsOf would have, for who may do it.
func (r *Registry) PreviewGroupsOf(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery, edit fleet.GroupsEdit) (fleet.Impact, error) {
	add, remove, err := r.groupsChange(ctx, actor, edit)
	if err != nil {
		return fleet.Impact{}, err
	}
	q.Actor, q.Product, q.Groups, q.Limit = actor, edit.Product, seen(actor, q.Groups), 0
	ids, err := r.index.IDs(q)
	if err != nil || len(ids) == 0 {
		return fleet.Impact{}, err
	}
	return r.forecast.Preview(ctx, actor, edit.Product, ids, func(e *fleet.IndexEntry) {
		e.Groups = edited(e.Groups, add, remove)
	})
}
