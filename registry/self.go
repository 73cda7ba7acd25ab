package registry

import (
	"context"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// ChangePassword gives the actor's account another password, and ends all its tokens, in
// every team, but the one that asks. It returns fleet.Invalid for a wrong old password or an
// unfit new one, fleet.Busy after too many wrong proofs, and fleet.Conflict for a program.
func (r *Registry) ChangePassword(ctx context.Context, actor fleet.Actor, p fleet.NewPassword) error {
	keep, err := r.token(ctx, p.Keep)
	if err != nil {
		return err
	}
	user, err := r.teams.User(ctx, actor.User)
	if err != nil {
		return err
	}
	if user.Password == "" {
		return hasNone(user)
	}
	if err := r.proveSelf(ctx, user, p); err != nil {
		return err
	}
	hash, err := r.hasher.hash(ctx, p.New)
	if err != nil {
		return err
	}
	_, err = r.teams.EditUser(ctx, user.ID, func(u *fleet.User) error {
		if u.Password != user.Password {
			return fleet.Errorf(fleet.Conflict, "the password has just been changed: sign in again")
		}
		u.Password = hash
		return nil
	})
	if err != nil {
		return err
	}
	r.audit.Record(ctx, actor, "user.password", user.Email, nil, nil)
	return r.endTokens(ctx, 0, user.ID, keep.ID)
}

// ResetPassword gives an account another password, and ends all its tokens, without asking
// for the old one. It is for who runs the server, and has no address in any API. It returns
// fleet.NotFound for an email without an account, and fleet.Conflict for a program.
func (r *Registry) ResetPassword(ctx context.Context, email, password string) error {
	user, err := r.setPassword(ctx, email, password)
	if err != nil {
		return err
	}
	teams, err := r.teams.TeamsOf(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, m := range teams { // no user did it
		r.audit.Record(ctx, fleet.Actor{Team: m.Team, Email: "the server's machine"}, "user.password", user.Email, nil, nil)
	}
	return r.endTokens(ctx, 0, user.ID, "")
}

func (r *Registry) setPassword(ctx context.Context, email, password string) (fleet.User, error) {
	user, err := r.teams.UserByEmail(ctx, normal(email))
	if err != nil {
		return user, hidden(err, "no such user: %.140s", email)
	}
	if user.Password == "" {
		return user, hasNone(user)
	}
	hash, err := r.hasher.hash(ctx, password)
	if err != nil {
		return user, err
	}
	return r.teams.EditUser(ctx, user.ID, func(u *fleet.User) error {
		u.Password = hash
		return nil
	})
}

func hasNone(u fleet.User) error {
	return fleet.Errorf(fleet.Conflict, "%s has no password: it is a program, rotate its token instead", u.Email)
}

// proveSelf checks the old password, as often as a sign-in may be tried.
func (r *Registry) proveSelf(ctx context.Context, user fleet.User, p fleet.NewPassword) error {
	giveBack, err := r.try(fleet.SignIn{Email: user.Email, Address: p.Address})
	if err != nil {
		return err
	}
	right, err := r.hasher.check(ctx, user.Password, p.Old)
	if err != nil || right {
		giveBack()
	}
	if err == nil && !right {
		err = fleet.FieldErrorf("current_password", "current_password is wrong")
	}
	return err
}

// LeaveTeam ends the actor's own membership and their tokens for the team. It returns
// fleet.Conflict for the owner: a team is handed over or deleted, never left without one.
func (r *Registry) LeaveTeam(ctx context.Context, actor fleet.Actor) error {
	m, err := r.teams.Member(ctx, actor.Team, actor.User)
	if err != nil {
		return err
	}
	if err := r.remove(ctx, m); err != nil {
		return err
	}
	r.audit.Record(ctx, actor, "user.leave", m.Email, audit.Fields{"role": m.Role.String()}, nil)
	return nil
}
