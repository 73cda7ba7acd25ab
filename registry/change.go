package registry

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// Change is what a job does to each of its devices. Nil and empty fields leave things as they are.
type Change struct {
	Add, Remove           []fleet.GroupID
	Lock                  *fleet.Version // the zero Version unlocks
	Flash                 bool           // with Lock: also at once, those that are online
	Development, Disabled *bool
}

// action is the right that c requires.
func (c Change) action() fleet.Action {
	if len(c.Add)+len(c.Remove) > 0 {
		return fleet.AssignGroups
	}
	return fleet.EditDevice
}

func (c Change) resolved(product fleet.ProductID) change {
	return change{
		DeviceEdit: fleet.DeviceEdit{Flash: c.Flash, Development: c.Development, Disabled: c.Disabled},
		product:    product, lock: c.Lock, add: c.Add, remove: c.Remove,
	}
}

// Quiet returns r without an audit log: for jobs, which have one entry for all that they do.
func (r *Registry) Quiet() *Registry {
	quiet := *r
	quiet.audit = nil
	return &quiet
}

// ChangeAll makes a change of each of these devices on its own, without entries in the audit log,
// and returns an error for each that was not changed. It may be repeated. The second error is about
// all of them: a group to add is no longer there, or the store does not answer.
func (r *Registry) ChangeAll(ctx context.Context, actor fleet.Actor, product fleet.ProductID, ids []fleet.DeviceID, c Change) ([]error, error) {
	if err := r.known(ctx, actor.Team, c.Add); err != nil {
		return nil, err
	}
	ids = fleet.DevicesIn(actor.Team, ids)
	ctx, err := r.supersede(ctx, ids...)
	if err != nil {
		return nil, err
	}
	_, errs := eachOf(lowPriority, ids, func(id fleet.DeviceID) (fleet.Device, error) {
		s, err := r.visible(ctx, actor, product, id)
		if err != nil {
			return s.device, err
		}
		if err := s.may(actor, c.action()); err != nil {
			return s.device, err
		}
		_, after, err := r.write(ctx, actor, id, c.resolved(product))
		return after, err
	})
	return errs, r.leaveDeletedGroups(ctx, actor.Team, c.Add, ids...)
}

// known returns fleet.NotFound unless the team has all of these groups.
func (r *Registry) known(ctx context.Context, team fleet.TeamID, ids []fleet.GroupID) error {
	if len(ids) == 0 {
		return nil
	}
	groups, err := r.teams.Groups(ctx, team)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !hasGroup(groups, id) {
			return fleet.Errorf(fleet.NotFound, "a group to add devices to was deleted")
		}
	}
	return nil
}

// PreviewChange returns the impact of ChangeAll on those of ids that the actor sees.
func (r *Registry) PreviewChange(ctx context.Context, actor fleet.Actor, product fleet.ProductID, ids []fleet.DeviceID, c Change) (fleet.Impact, error) {
	if err := fleet.MayInTeam(actor, c.action()); err != nil {
		return fleet.Impact{}, err
	}
	return r.forecast.Preview(ctx, actor, product, ids, func(e *fleet.IndexEntry) {
		set(&e.Development, c.Development)
		set(&e.Disabled, c.Disabled)
		set(&e.Lock, c.Lock)
		if len(c.Add)+len(c.Remove) > 0 {
			e.Groups = editedGroups(e.Groups, c.Add, c.Remove)
		}
	})
}

// FindGroups returns the ids of groups to add to devices of a product and to remove from them, if
// the actor may assign groups.
func (r *Registry) FindGroups(ctx context.Context, actor fleet.Actor, product fleet.ProductID, add, remove []string) (adding, removing []fleet.GroupID, err error) {
	adding, removing, err = r.findGroups(ctx, actor, fleet.GroupsEdit{Product: product, Add: add, Remove: remove})
	if err == nil && len(adding)+len(removing) == 0 {
		err = fleet.FieldErrorf("groups", "which groups? Name at least one to add or to remove")
	}
	return adding, removing, err
}

// Uploaded returns v as the product's catalog spells it; fleet.Invalid, naming field, if it was not
// uploaded.
func (r *Registry) Uploaded(ctx context.Context, actor fleet.Actor, product fleet.ProductID, field string, v fleet.Version) (fleet.Version, error) {
	if _, err := r.catalog(ctx, actor, product); err != nil {
		return v, err
	}
	if v.IsZero() {
		return v, fleet.FieldErrorf(field, "the version is missing")
	}
	return r.uploaded(ctx, product, field, v)
}

// IDs returns the devices that q selects and the actor sees, by id, at most q.Limit.
func (r *Registry) IDs(actor fleet.Actor, q fleet.DeviceQuery) ([]fleet.DeviceID, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return nil, err
	}
	asked := len(q.Groups) > 0
	q.Actor, q.Groups = actor, actor.Visible(q.Groups)
	if asked && len(q.Groups) == 0 {
		return nil, nil
	}
	return r.index.IDs(q)
}

// IsOnline reports whether a device is connected.
func (r *Registry) IsOnline(id fleet.DeviceID) bool {
	e, err := r.index.Entry(id)
	return err == nil && e.Online
}
