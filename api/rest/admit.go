package rest

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/fleet"
)

// Finder is an input that names objects the operation needs.
type Finder interface {
	// Find looks the objects up. It returns fleet.NotFound for those the actor can't see.
	Find(ctx context.Context, a *API, who fleet.Actor) error
}

// Seer is an input that names objects whose lookup is left to the operation.
type Seer interface {
	// See returns fleet.NotFound when the actor can't see one of the objects.
	See(ctx context.Context, a *API, who fleet.Actor) error
}

// Admit looks up what in names and refuses an actor whose role does not permit action: the
// part of fleet.May that concerns the team. Objects the actor can't see are fleet.NotFound,
// also where the role alone would be fleet.Denied, so that a refusal reveals nothing.
func (a *API) Admit(ctx context.Context, who fleet.Actor, action fleet.Action, in any) error {
	if err := a.Lookup(ctx, who, action, in); err != nil {
		return err
	}
	refusal := fleet.MayInTeam(who, action)
	if refusal == nil {
		return nil
	}
	if s, names := in.(Seer); names {
		if err := s.See(ctx, a, who); errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	return refusal
}

// Lookup looks up what in names, as Admit does, without checking the role.
func (a *API) Lookup(ctx context.Context, who fleet.Actor, _ fleet.Action, in any) error {
	if f, names := in.(Finder); names {
		return f.Find(ctx, a, who)
	}
	return nil
}
