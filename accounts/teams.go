package accounts

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Account returns the actor with their team and the names of their groups.
func (a *Accounts) Account(ctx context.Context, actor fleet.Actor) (fleet.Account, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return fleet.Account{}, err
	}
	return a.account(ctx, fleet.Member{Team: actor.Team, User: actor.User, Email: actor.Email, Role: actor.Role, Groups: actor.Groups})
}

func (a *Accounts) account(ctx context.Context, m fleet.Member) (fleet.Account, error) {
	team, err := a.teams.Team(ctx, m.Team)
	if err != nil {
		return fleet.Account{}, err
	}
	groups, err := a.teams.Groups(ctx, m.Team)
	account := fleet.Account{User: fleet.User{ID: m.User, Email: m.Email}, Team: team, Role: m.Role}
	for _, g := range groups {
		if slices.Contains(m.Groups, g.ID) {
			account.Groups = append(account.Groups, g.Name)
		}
	}
	slices.Sort(account.Groups)
	return account, err
}

// Teams returns the actor's account in each team they are in, oldest team first.
func (a *Accounts) Teams(ctx context.Context, actor fleet.Actor) ([]fleet.Account, error) {
	members, err := a.teams.TeamsOf(ctx, actor.User)
	if err != nil {
		return nil, err
	}
	var accounts []fleet.Account
	for _, m := range members {
		account, err := a.account(ctx, m)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, account)
	}
	return accounts, nil
}

// CreateTeam creates a further team, owned by the actor, who must own this one.
func (a *Accounts) CreateTeam(ctx context.Context, actor fleet.Actor, name string) (fleet.Team, error) {
	if err := actor.May(fleet.OwnTeam); err != nil {
		return fleet.Team{}, err
	}
	if err := fleet.CheckName("name", name); err != nil {
		return fleet.Team{}, err
	}
	return a.createTeam(ctx, name, fleet.User{ID: actor.User, Email: actor.Email})
}

func (a *Accounts) createTeam(ctx context.Context, name string, owner fleet.User) (fleet.Team, error) {
	now := time.Now().UTC()
	t, err := a.teams.CreateTeam(ctx, fleet.Team{Name: name, Created: now}, fleet.Member{User: owner.ID, Email: owner.Email, Joined: now})
	if err != nil {
		return fleet.Team{}, err
	}
	actor := fleet.Actor{User: owner.ID, Email: owner.Email, Team: t.ID}
	a.audit.Record(ctx, actor, "team.create", t.ID.String(), nil, audit.Fields{"name": name, "owner": owner.Email})
	return t, nil
}

// RenameTeam renames the actor's team. It returns fleet.Conflict if edit.If is not the team's
// tag.
func (a *Accounts) RenameTeam(ctx context.Context, actor fleet.Actor, edit fleet.TeamEdit) (fleet.Team, error) {
	if err := actor.May(fleet.OwnTeam); err != nil {
		return fleet.Team{}, err
	}
	if err := fleet.CheckName("name", edit.Name); err != nil {
		return fleet.Team{}, err
	}
	var before string
	t, err := a.teams.EditTeam(ctx, actor.Team, func(t *fleet.Team) error {
		if err := fleet.Unchanged("the team's name", edit.If, t.Tag()); err != nil {
			return err
		}
		before, t.Name = t.Name, edit.Name
		return nil
	})
	if err != nil {
		return fleet.Team{}, err
	}
	a.audit.Record(ctx, actor, "team.update", t.ID.String(), audit.Fields{"name": before}, audit.Fields{"name": edit.Name})
	return t, nil
}

// DeleteTeam deletes the actor's team with its members, their tokens for it, its groups,
// messages and audit log. It returns fleet.Conflict while the team has products.
func (a *Accounts) DeleteTeam(ctx context.Context, actor fleet.Actor) error {
	if err := actor.May(fleet.OwnTeam); err != nil {
		return err
	}
	members, err := a.teams.Members(ctx, actor.Team)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // once the team is gone, nobody can repeat the call
	if err := a.teams.DeleteTeam(ctx, actor.Team); err != nil {
		return err
	}
	for _, m := range members {
		if m.Program { // it was in this team only
			err = a.teams.DeleteUser(ctx, m.User)
		} else {
			err = a.endTokens(ctx, m.Team, m.User, "")
		}
		if err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	return nil
}

// HandOver makes the member with this email the owner of the team. The actor, who was the
// owner, becomes an admin.
func (a *Accounts) HandOver(ctx context.Context, actor fleet.Actor, email string) error {
	m, err := a.member(ctx, actor, email)
	if err != nil {
		return err
	}
	if err := actor.May(fleet.OwnTeam); err != nil {
		return err
	}
	if m.Program {
		return fleet.FieldErrorf("email", "%s is a program: only a person can own a team", m.Email)
	}
	err = a.teams.EditMembers(ctx, actor.Team, func(members map[fleet.UserID]fleet.Member) error {
		from, to := members[actor.User], members[m.User]
		if from.Role != fleet.Owner || to.Role == fleet.NoRole {
			return fleet.Errorf(fleet.Conflict, "the team has just changed: look again")
		}
		from.Role = fleet.Admin
		members[from.User] = from
		to.Role = fleet.Owner
		members[to.User] = to
		return nil
	})
	if err != nil {
		return err
	}
	a.audit.Record(ctx, actor, "team.hand_over", actor.Team.String(), audit.Fields{"owner": actor.Email}, audit.Fields{"owner": m.Email})
	return nil
}

// LeaveTeam ends the actor's own membership and their tokens for the team. It returns
// fleet.Conflict for the owner, who hands the team over or deletes it.
func (a *Accounts) LeaveTeam(ctx context.Context, actor fleet.Actor) error {
	m, err := a.teams.Member(ctx, actor.Team, actor.User)
	if err != nil {
		return err
	}
	if err := a.remove(ctx, m); err != nil {
		return err
	}
	a.audit.Record(ctx, actor, "user.leave", m.Email, audit.Fields{"role": m.Role.String()}, nil)
	return nil
}
