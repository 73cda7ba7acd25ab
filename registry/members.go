package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/audit"
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
// groups; "*" among them stands for all groups the team has now. It returns fleet.Conflict when
// the email has an account: an account is never given a password by someone else.
func (r *Registry) AddUser(ctx context.Context, actor fleet.Actor, email, password string, role fleet.Role, groups []string) (fleet.Member, error) {
	ids, err := r.mayAssign(ctx, actor, role, groups)
	if err != nil {
		return fleet.Member{}, err
	}
	user, err := r.createUser(ctx, fleet.User{Email: email}, password)
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
	r.audit.Record(ctx, actor, "user.add", m.Email, nil, audit.Fields{"role": m.Role.String(), "groups": groups})
	return m, nil
}

// EditMember sets role and groups of one member; nil leaves as it is. Groups are names, as
// AddUser takes them. An owner's role stays, and nobody is made
// one: ownership is handed over, not edited.
func (r *Registry) EditMember(ctx context.Context, actor fleet.Actor, email string, role *fleet.Role, groups *[]string) (fleet.Member, error) {
	before, err := r.member(ctx, actor, email)
	if err != nil {
		return before, err
	}
	if err := mayEditMember(actor, before, role, groups != nil); err != nil {
		return before, err
	}
	var ids []fleet.GroupID
	if groups != nil {
		if ids, err = r.memberGroups(ctx, actor.Team, *groups); err != nil {
			return before, err
		}
	}
	m, err := r.teams.EditMember(ctx, actor.Team, before.User, func(m *fleet.Member) error {
		if role != nil && m.Role != before.Role {
			return fleet.Errorf(fleet.Conflict, "someone else has just changed the role of %s: look again", m.Email)
		}
		set(&m.Role, role)
		if groups != nil {
			m.Groups = ids
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	r.audit.Record(ctx, actor, "user.update", m.Email, audit.Fields{"role": before.Role.String(), "groups": before.Groups}, audit.Fields{"role": m.Role.String(), "groups": m.Groups})
	return m, nil
}

func mayEditMember(actor fleet.Actor, m fleet.Member, role *fleet.Role, groups bool) error {
	if groups || role == nil {
		if err := may(actor, fleet.AssignGroups); err != nil {
			return err
		}
	}
	if role == nil || *role == m.Role {
		return nil
	}
	if err := errors.Join(mayManage(actor, m.Role), mayManage(actor, *role)); err != nil {
		return err
	}
	switch fleet.Owner {
	case m.Role:
		return fleet.Errorf(fleet.Conflict, "%s owns the team: hand it over first", m.Email)
	case *role:
		return oneOwner()
	}
	return nil
}

func oneOwner() error {
	return fleet.FieldErrorf("role", "role owner: a team has one owner, hand it over instead")
}

// RemoveMember takes a member, or an invitation that was not accepted yet, out of the
// team. The member's tokens for the team end.
func (r *Registry) RemoveMember(ctx context.Context, actor fleet.Actor, email string) error {
	m, err := r.member(ctx, actor, email)
	if errors.Is(err, fleet.NotFound) {
		return r.uninvite(ctx, actor, email)
	}
	if err != nil {
		return err
	}
	if err := mayManage(actor, m.Role); err != nil && m.Role != fleet.Owner {
		return err
	}
	if err := r.remove(ctx, m); err != nil {
		return err
	}
	r.audit.Record(ctx, actor, "user.remove", m.Email, audit.Fields{"role": m.Role.String()}, nil)
	return nil
}

// remove takes m out of the team. A team's owner stays.
func (r *Registry) remove(ctx context.Context, m fleet.Member) error {
	switch {
	case m.Role == fleet.Owner:
		return fleet.Errorf(fleet.Conflict, "%s owns the team: hand it over first", m.Email)
	case m.Program: // it is in this team alone
		return r.teams.DeleteUser(ctx, m.User)
	}
	return r.leave(ctx, m)
}

// leave ends a membership and its tokens, so that they don't come back with the person.
func (r *Registry) leave(ctx context.Context, m fleet.Member) error {
	if err := r.endTokens(ctx, m.Team, m.User, ""); err != nil {
		return err
	}
	return r.teams.RemoveMember(ctx, m.Team, m.User)
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
	switch role {
	case fleet.Owner:
		return nil, oneOwner()
	case fleet.NoRole:
		return nil, fleet.FieldErrorf("role", "the role is missing: use one of admin, editor, viewer")
	}
	return r.memberGroups(ctx, actor.Team, groups)
}

// allGroups, in the place of names, stands for all groups of the team.
const allGroups = "*"

// memberGroups finds the groups of a member by name, or all that the team has now.
func (r *Registry) memberGroups(ctx context.Context, team fleet.TeamID, names []string) ([]fleet.GroupID, error) {
	if !slices.Contains(names, allGroups) {
		return r.existing(ctx, team, names)
	}
	groups, err := r.teams.Groups(ctx, team)
	ids := make([]fleet.GroupID, 0, len(groups))
	for _, g := range groups {
		ids = append(ids, g.ID)
	}
	return fleet.SortGroups(ids), err
}

// mayManage asks whether actor may set or end a membership of this role.
func mayManage(actor fleet.Actor, role fleet.Role) error {
	if role >= fleet.Admin {
		return may(actor, fleet.ManageAdmins)
	}
	return may(actor, fleet.ManageUsers)
}
