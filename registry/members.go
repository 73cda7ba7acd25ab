package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Members are who is in the actor's team, by email. Groups the actor may not see are
// left out.
func (r *Registry) Members(ctx context.Context, actor fleet.Actor) ([]fleet.Member, error) {
	if err := may(actor, fleet.SeeTeam); err != nil {
		return nil, err
	}
	members, err := r.teams.Members(ctx, actor.Team)
	if err != nil {
		return nil, err
	}
	for i := range members {
		members[i].Groups = seen(actor, members[i].Groups)
	}
	slices.SortFunc(members, func(a, b fleet.Member) int { return int(a.User) - int(b.User) })
	return members, nil
}

// AddUser makes a new account and takes it into the team with a role and, by name, with
// groups. It returns fleet.Conflict when the email has an account: an account is never
// given a password by someone else.
func (r *Registry) AddUser(ctx context.Context, actor fleet.Actor, email, password string, role fleet.Role, groups []string) (fleet.Member, error) {
	ids, err := r.mayAssign(ctx, actor, role, groups)
	if err != nil {
		return fleet.Member{}, err
	}
	user, err := r.createUser(ctx, email, password)
	if errors.Is(err, fleet.Conflict) {
		return fleet.Member{}, &fleet.Error{Kind: fleet.Conflict, Field: "email", Text: "this email has an account: invite it without a password"}
	}
	if err != nil {
		return fleet.Member{}, err
	}
	m := fleet.Member{Team: actor.Team, User: user.ID, Email: user.Email, Role: role, Groups: ids, Joined: time.Now().UTC()}
	if err := r.teams.AddMember(ctx, m); err != nil {
		return fleet.Member{}, err
	}
	r.audit(ctx, actor, "user.add", m.Email, nil, fields{"role": role.String(), "groups": groups})
	return m, nil
}

// EditMember sets role and groups of one member; nil leaves as it is. An owner's role
// stays: ownership is handed over, not edited.
func (r *Registry) EditMember(ctx context.Context, actor fleet.Actor, email string, role *fleet.Role, groups *[]string) (fleet.Member, error) {
	m, err := r.member(ctx, actor, email)
	if err != nil {
		return m, err
	}
	before := m
	if role == nil {
		role = &m.Role
	} else if m.Role == fleet.Owner && *role != fleet.Owner {
		return m, fleet.Errorf(fleet.Conflict, "%s owns the team: hand it over first", m.Email)
	}
	if err := errors.Join(mayManage(actor, m.Role), mayManage(actor, *role)); err != nil {
		return m, err
	}
	var ids []fleet.GroupID
	if groups != nil {
		if ids, err = r.existing(ctx, actor.Team, *groups); err != nil {
			return m, err
		}
	}
	m, err = r.teams.EditMember(ctx, actor.Team, m.User, func(m *fleet.Member) error {
		m.Role = *role
		if groups != nil {
			m.Groups = ids
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	r.audit(ctx, actor, "user.update", m.Email, fields{"role": before.Role.String(), "groups": before.Groups}, fields{"role": m.Role.String(), "groups": m.Groups})
	return m, nil
}

// RemoveMember takes a member out of the team; their tokens for it end with that.
func (r *Registry) RemoveMember(ctx context.Context, actor fleet.Actor, email string) error {
	m, err := r.member(ctx, actor, email)
	if err != nil {
		return err
	}
	if m.Role == fleet.Owner {
		return fleet.Errorf(fleet.Conflict, "%s owns the team: hand it over first", m.Email)
	}
	if err := mayManage(actor, m.Role); err != nil {
		return err
	}
	if err := r.teams.RemoveMember(ctx, actor.Team, m.User); err != nil {
		return err
	}
	r.audit(ctx, actor, "user.remove", m.Email, fields{"role": m.Role.String()}, nil)
	return nil
}

func (r *Registry) member(ctx context.Context, actor fleet.Actor, email string) (fleet.Member, error) {
	if err := may(actor, fleet.SeeTeam); err != nil {
		return fleet.Member{}, err
	}
	members, err := r.teams.Members(ctx, actor.Team)
	if err != nil {
		return fleet.Member{}, err
	}
	for _, m := range members {
		if m.Email == normal(email) {
			return m, nil
		}
	}
	return fleet.Member{}, fleet.Errorf(fleet.NotFound, "no such user in this team: %.140s", email)
}

// mayAssign checks that actor may make someone role with groups, and finds the groups.
func (r *Registry) mayAssign(ctx context.Context, actor fleet.Actor, role fleet.Role, groups []string) ([]fleet.GroupID, error) {
	if err := mayManage(actor, role); err != nil {
		return nil, err
	}
	if role == fleet.Owner {
		return nil, fleet.FieldErrorf("role", "a team has one owner: hand it over instead")
	}
	return r.existing(ctx, actor.Team, groups)
}

// mayManage asks whether actor may set or end a membership of this role.
func mayManage(actor fleet.Actor, role fleet.Role) error {
	if role >= fleet.Admin {
		return may(actor, fleet.ManageAdmins)
	}
	return may(actor, fleet.ManageUsers)
}
