package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Bounds of texts, in bytes.
const (
	maxName  = 128
	maxNotes = 4096
)

// Bootstrap makes the first team and its owner on an installation without teams, and
// reports whether it did. The password has 10 to 256 bytes. Errors are fleet.Invalid.
func (r *Registry) Bootstrap(ctx context.Context, team, email, password string) (made bool, err error) {
	empty, err := r.Empty(ctx)
	if err != nil || !empty {
		return false, err
	}
	user, err := r.createUser(ctx, fleet.User{Email: email}, password)
	if errors.Is(err, fleet.Conflict) { // an earlier start ended between user and team
		user, err = r.setPassword(ctx, email, password)
	}
	if err != nil {
		return false, err
	}
	t, err := r.createTeam(ctx, team, user)
	if err != nil {
		return false, err
	}
	actor := fleet.Actor{User: user.ID, Email: user.Email, Team: t.ID, Role: fleet.Owner}
	r.audit.Record(ctx, actor, "team.create", t.ID.String(), nil, audit.Fields{"name": t.Name, "owner": user.Email})
	return true, nil
}

// Empty reports whether the installation has no team yet.
func (r *Registry) Empty(ctx context.Context) (bool, error) {
	teams, err := r.teams.AllTeams(ctx)
	return len(teams) == 0, err
}

// createUser makes an account of u with a password.
func (r *Registry) createUser(ctx context.Context, u fleet.User, password string) (fleet.User, error) {
	var err error
	if u.Email, err = parseEmail(u.Email); err != nil {
		return fleet.User{}, err
	}
	if err := fleet.CheckText("name", u.Name, maxName); err != nil {
		return fleet.User{}, err
	}
	if u.Password, err = r.hasher.hash(ctx, password); err != nil {
		return fleet.User{}, err
	}
	u.Created = time.Now().UTC()
	return r.teams.CreateUser(ctx, u)
}

// parseEmail accepts an address of a person, in lower case.
func parseEmail(email string) (string, error) {
	email = normal(email)
	name, host, ok := strings.Cut(email, "@")
	switch {
	case !ok || name == "" || host == "" || len(email) > maxName || !utf8.ValidString(email) || strings.ContainsFunc(email, unfit):
		return "", fleet.FieldErrorf("email", "email %.140q: use the form name@host", email)
	case strings.HasSuffix(email, programHost):
		return "", fleet.FieldErrorf("email", "email %.140q: addresses of %s are for programs", email, programHost)
	}
	return email, nil
}

func unfit(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) || c == '/' }

func normal(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// Account is who the actor is.
func (r *Registry) Account(ctx context.Context, actor fleet.Actor) (fleet.Account, error) {
	if err := may(actor, fleet.SeeTeam); err != nil {
		return fleet.Account{}, err
	}
	return r.account(ctx, fleet.Member{Team: actor.Team, User: actor.User, Email: actor.Email, Role: actor.Role, Groups: actor.Groups})
}

func (r *Registry) account(ctx context.Context, m fleet.Member) (fleet.Account, error) {
	team, err := r.teams.Team(ctx, m.Team)
	if err != nil {
		return fleet.Account{}, err
	}
	groups, err := r.teams.Groups(ctx, m.Team)
	a := fleet.Account{User: fleet.User{ID: m.User, Email: m.Email}, Team: team, Role: m.Role}
	for _, g := range groups {
		if slices.Contains(m.Groups, g.ID) {
			a.Groups = append(a.Groups, g.Name)
		}
	}
	slices.Sort(a.Groups)
	return a, err
}

// Teams are the teams the actor is in, oldest first.
func (r *Registry) Teams(ctx context.Context, actor fleet.Actor) ([]fleet.Account, error) {
	members, err := r.teams.TeamsOf(ctx, actor.User)
	if err != nil {
		return nil, err
	}
	var accounts []fleet.Account
	for _, m := range members {
		a, err := r.account(ctx, m)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// CreateTeam makes a further team, which the actor owns. It takes an owner.
func (r *Registry) CreateTeam(ctx context.Context, actor fleet.Actor, name string) (fleet.Team, error) {
	if err := may(actor, fleet.OwnTeam); err != nil {
		return fleet.Team{}, err
	}
	if err := named("name", name); err != nil {
		return fleet.Team{}, err
	}
	t, err := r.createTeam(ctx, name, fleet.User{ID: actor.User, Email: actor.Email})
	if err != nil {
		return fleet.Team{}, err
	}
	in := actor
	in.Team = t.ID
	r.audit.Record(ctx, in, "team.create", t.ID.String(), nil, audit.Fields{"name": name, "owner": actor.Email})
	return t, nil
}

// RenameTeam gives the actor's team another name. It returns fleet.Conflict when edit.If is
// not the team's tag.
func (r *Registry) RenameTeam(ctx context.Context, actor fleet.Actor, edit fleet.TeamEdit) (fleet.Team, error) {
	if err := may(actor, fleet.OwnTeam); err != nil {
		return fleet.Team{}, err
	}
	if err := named("name", edit.Name); err != nil {
		return fleet.Team{}, err
	}
	var before string
	t, err := r.teams.EditTeam(ctx, actor.Team, func(t *fleet.Team) error {
		if err := fleet.Unchanged("the team's name", edit.If, t.Tag()); err != nil {
			return err
		}
		before, t.Name = t.Name, edit.Name
		return nil
	})
	if err != nil {
		return fleet.Team{}, err
	}
	r.audit.Record(ctx, actor, "team.update", t.ID.String(), audit.Fields{"name": before}, audit.Fields{"name": edit.Name})
	return t, nil
}

// DeleteTeam removes the actor's team with its members, their tokens for it, its groups,
// messages and audit log. It returns fleet.Conflict while the team has products.
func (r *Registry) DeleteTeam(ctx context.Context, actor fleet.Actor) error {
	if err := may(actor, fleet.OwnTeam); err != nil {
		return err
	}
	members, err := r.teams.Members(ctx, actor.Team)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // nobody is left to repeat it
	if err := r.teams.DeleteTeam(ctx, actor.Team); err != nil {
		return err
	}
	for _, m := range members {
		if m.Program { // it was in this team alone
			err = r.teams.DeleteUser(ctx, m.User)
		} else {
			err = r.endTokens(ctx, m.Team, m.User, "")
		}
		if err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	return nil
}

// HandOver makes a member the owner of the team in the actor's place, who becomes an admin.
func (r *Registry) HandOver(ctx context.Context, actor fleet.Actor, email string) error {
	m, err := r.member(ctx, actor, email)
	if err != nil {
		return err
	}
	if err := may(actor, fleet.OwnTeam); err != nil {
		return err
	}
	if m.Program {
		return fleet.FieldErrorf("email", "%s is a program: a team is owned by a person", m.Email)
	}
	err = r.teams.EditMembers(ctx, actor.Team, func(members map[fleet.UserID]fleet.Member) error {
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
	r.audit.Record(ctx, actor, "team.hand_over", actor.Team.String(), audit.Fields{"owner": actor.Email}, audit.Fields{"owner": m.Email})
	return nil
}

func (r *Registry) createTeam(ctx context.Context, name string, owner fleet.User) (fleet.Team, error) {
	now := time.Now().UTC()
	return r.teams.CreateTeam(ctx, fleet.Team{Name: name, Created: now}, fleet.Member{User: owner.ID, Email: owner.Email, Joined: now})
}

// named is text that must be there.
func named(field, value string) error {
	if strings.TrimSpace(value) == "" {
		return fleet.FieldErrorf(field, "%s is missing", field)
	}
	return fleet.CheckText(field, value, maxName)
}
