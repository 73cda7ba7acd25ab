package accounts

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Members returns the members of the actor's team in the order of their user ids, with
// those of their groups that the actor may see.
func (a *Accounts) Members(ctx context.Context, actor fleet.Actor) ([]fleet.Member, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return nil, err
	}
	members, err := a.teams.Members(ctx, actor.Team)
	if err != nil {
		return nil, err
	}
	for i := range members {
		members[i].Groups = actor.Visible(members[i].Groups)
	}
	slices.SortFunc(members, func(a, b fleet.Member) int { return int(a.User) - int(b.User) })
	return members, nil
}

// AddUser creates an account and adds it to the team with a role and with groups, given by
// name; "*" stands for all groups the team has now. An account that somebody has elsewhere with this
// email is another one: nobody sets its password. It returns fleet.Conflict if the team has a user
// with this email.
func (a *Accounts) AddUser(ctx context.Context, actor fleet.Actor, email, password string, role fleet.Role, groups []string) (fleet.Member, error) {
	ids, err := a.mayAssign(ctx, actor, role, groups)
	if err != nil {
		return fleet.Member{}, err
	}
	if _, err := a.member(ctx, actor, email); !errors.Is(err, fleet.NotFound) {
		return fleet.Member{}, errors.Join(err, &fleet.Error{Kind: fleet.Conflict, Field: "email", Text: fleet.NormalEmail(email) + " is in the team already"})
	}
	user, err := a.createUser(ctx, fleet.User{Email: email}, password)
	if err != nil {
		return fleet.Member{}, err
	}
	m := fleet.Member{Team: actor.Team, User: user.ID, Email: user.Email, Role: role, Groups: ids, Joined: time.Now().UTC()}
	if err := a.teams.AddMember(ctx, m); err != nil {
		if !errors.Is(err, fleet.Unavailable) { // or they may have been added
			err = errors.Join(err, a.teams.DeleteUser(ctx, user.ID))
		}
		return fleet.Member{}, err
	}
	a.audit.Record(ctx, actor, "user.add", m.Email, nil, audit.Fields{"role": m.Role.String(), "groups": groups})
	return m, nil
}

// EditMember sets the role and the groups of a member; nil leaves them unchanged. Groups
// are given as for AddUser. The owner's role can't be changed and nobody can be made owner:
// ownership is handed over.
func (a *Accounts) EditMember(ctx context.Context, actor fleet.Actor, email string, role *fleet.Role, groups *[]string) (fleet.Member, error) {
	before, err := a.member(ctx, actor, email)
	if err != nil {
		return before, err
	}
	if err := mayEditMember(actor, before, role, groups); err != nil {
		return before, err
	}
	var ids []fleet.GroupID
	if groups != nil {
		if ids, err = a.memberGroups(ctx, actor.Team, *groups); err != nil {
			return before, err
		}
	}
	m, err := a.teams.EditMember(ctx, actor.Team, before.User, func(m *fleet.Member) error {
		if role != nil && m.Role != before.Role {
			return fleet.Errorf(fleet.Conflict, "someone else has just changed the role of %s: look again", m.Email)
		}
		if role != nil {
			m.Role = *role
		}
		if groups != nil {
			m.Groups = ids
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	a.audit.Record(ctx, actor, "user.update", m.Email, audit.Fields{"role": before.Role.String(), "groups": before.Groups}, audit.Fields{"role": m.Role.String(), "groups": m.Groups})
	return m, nil
}

func mayEditMember(actor fleet.Actor, m fleet.Member, role *fleet.Role, groups *[]string) error {
	if groups != nil || role == nil {
		if err := actor.May(fleet.AssignGroups); err != nil {
			return err
		}
	}
	if role == nil {
		return nil
	}
	if err := actor.May(fleet.ManageUsers); err != nil { // also where the role stays the same
		return err
	}
	if *role == m.Role {
		return nil
	}
	if err := errors.Join(mayManage(actor, m.Role), mayManage(actor, *role)); err != nil {
		return err
	}
	switch fleet.Owner {
	case m.Role:
		return ownerStays(m)
	case *role:
		return oneOwner()
	}
	return nil
}

func ownerStays(m fleet.Member) error {
	return fleet.Errorf(fleet.Conflict, "%s owns the team: hand it over first", m.Email)
}

func oneOwner() error {
	return fleet.FieldErrorf("role", "role owner: a team has one owner, hand it over instead")
}

// RemoveMember removes a member from the team and ends their tokens for it. If the email
// has an open invitation instead, that is revoked. It returns fleet.Conflict for the owner.
func (a *Accounts) RemoveMember(ctx context.Context, actor fleet.Actor, email string) error {
	m, err := a.member(ctx, actor, email)
	if errors.Is(err, fleet.NotFound) {
		return a.revokeInvitation(ctx, actor, email)
	}
	if err != nil {
		return err
	}
	if err := mayManage(actor, m.Role); err != nil && m.Role != fleet.Owner {
		return err
	}
	if err := a.remove(ctx, m); err != nil {
		return err
	}
	a.audit.Record(ctx, actor, "user.remove", m.Email, audit.Fields{"role": m.Role.String()}, nil)
	return nil
}

// remove ends m's membership and its tokens, so that they don't work again if the person
// returns. A program is deleted, because it is in this team only.
func (a *Accounts) remove(ctx context.Context, m fleet.Member) error {
	switch {
	case m.Role == fleet.Owner:
		return ownerStays(m)
	case m.Program:
		return a.teams.DeleteUser(ctx, m.User)
	}
	if err := a.endTokens(ctx, m.Team, m.User, ""); err != nil {
		return err
	}
	return a.teams.RemoveMember(ctx, m.Team, m.User)
}

func (a *Accounts) member(ctx context.Context, actor fleet.Actor, email string) (fleet.Member, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return fleet.Member{}, err
	}
	members, err := a.teams.Members(ctx, actor.Team)
	if err != nil {
		return fleet.Member{}, err
	}
	for _, m := range members {
		if m.Email == fleet.NormalEmail(email) {
			return m, nil
		}
	}
	return fleet.Member{}, fleet.Errorf(fleet.NotFound, "no such user in this team: %.140s", email)
}

// mayAssign checks that actor may give someone this role and these groups, and finds the
// groups.
func (a *Accounts) mayAssign(ctx context.Context, actor fleet.Actor, role fleet.Role, groups []string) ([]fleet.GroupID, error) {
	if err := mayManage(actor, role); err != nil {
		return nil, err
	}
	switch role {
	case fleet.Owner:
		return nil, oneOwner()
	case fleet.NoRole:
		return nil, fleet.FieldErrorf("role", "the role is missing: use one of admin, editor, viewer")
	}
	return a.memberGroups(ctx, actor.Team, groups)
}

// allGroups among the names of a member's groups stands for all groups of the team.
const allGroups = "*"

// memberGroups finds groups by name, or all that the team has now.
func (a *Accounts) memberGroups(ctx context.Context, team fleet.TeamID, names []string) ([]fleet.GroupID, error) {
	groups, err := a.teams.Groups(ctx, team)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, allGroups) {
		return fleet.FindGroups(groups, names)
	}
	ids := make([]fleet.GroupID, 0, len(groups))
	for _, g := range groups {
		ids = append(ids, g.ID)
	}
	return fleet.SortGroups(ids), nil
}

// mayManage checks that actor may start or end a membership of this role.
func mayManage(actor fleet.Actor, role fleet.Role) error {
	if role >= fleet.Admin {
		return actor.May(fleet.ManageAdmins)
	}
	return actor.May(fleet.ManageUsers)
}
