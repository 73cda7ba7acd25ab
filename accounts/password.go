package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// ChangePassword replaces the password of the actor's account and ends all its tokens, in
// every team, except the one used for this call. It returns fleet.Invalid for a wrong old
// password or a new one out of bounds, fleet.Busy after too many wrong proofs, and
// fleet.Conflict for a program.
func (a *Accounts) ChangePassword(ctx context.Context, actor fleet.Actor, p fleet.NewPassword) error {
	keep, err := a.token(ctx, p.Keep)
	if err != nil {
		return err
	}
	user, err := a.teams.User(ctx, actor.User)
	if err != nil {
		return err
	}
	if user.Password == "" {
		return noPassword(user)
	}
	if err := a.proveOldPassword(ctx, user, p); err != nil {
		return err
	}
	hash, err := a.hasher.hash(ctx, p.New)
	if err != nil {
		return err
	}
	_, err = a.teams.EditUser(ctx, user.ID, func(u *fleet.User) error {
		if u.Password != user.Password {
			return fleet.Errorf(fleet.Conflict, "the password has just been changed: sign in again")
		}
		u.Password = hash
		return nil
	})
	if err != nil {
		return err
	}
	a.audit.Record(ctx, actor, "user.password", user.Email, nil, nil)
	return a.endTokens(ctx, 0, user.ID, keep.ID)
}

// proveOldPassword checks p.Old, as often as a known browser may try to sign in.
func (a *Accounts) proveOldPassword(ctx context.Context, user fleet.User, p fleet.NewPassword) error {
	who := prover{address: p.Address, account: user.Email, known: "session"}
	_, err := a.prove(ctx, who, []fleet.User{user}, p.Old, "")
	if errors.Is(err, fleet.Unauthenticated) {
		err = fleet.FieldErrorf("current_password", "current_password is wrong")
	}
	return err
}

// ResetPassword replaces the password of an account without asking for the old one, and
// ends all its tokens. It is for the person who runs the server; no API offers it. It returns
// fleet.NotFound for an email without an account, and fleet.Conflict for a program.
func (a *Accounts) ResetPassword(ctx context.Context, email, password string) error {
	user, err := a.userNamed(ctx, email)
	if err != nil {
		return err
	}
	teams, err := a.teams.TeamsOf(ctx, user.ID)
	if err != nil {
		return err
	}
	nobody := func(m fleet.Member) fleet.Actor { return fleet.Actor{Team: m.Team, Email: "the server's machine"} }
	for _, m := range teams {
		end, err := a.audit.Begin(nobody(m), "user.password "+user.Email)
		if err != nil {
			return err
		}
		defer end()
	}
	if _, err := a.setPassword(ctx, user, password); err != nil {
		return err
	}
	for _, m := range teams {
		a.audit.Record(ctx, nobody(m), "user.password", user.Email, nil, nil)
	}
	return a.endTokens(ctx, 0, user.ID, "")
}

// userNamed returns the user with this email or number.
func (a *Accounts) userNamed(ctx context.Context, which string) (fleet.User, error) {
	if number, err := strconv.ParseUint(which, 10, 32); err == nil {
		user, err := a.teams.User(ctx, fleet.UserID(number))
		return user, fleet.Hide(err, "no such user: %d", number)
	}
	users, err := a.teams.UsersByEmail(ctx, fleet.NormalEmail(which))
	switch {
	case err != nil:
		return fleet.User{}, err
	case len(users) == 0:
		return fleet.User{}, fleet.Errorf(fleet.NotFound, "no such user: %.140s", which)
	case len(users) == 1:
		return users[0], nil
	}
	var each []string
	for _, u := range users {
		teams, err := a.teams.TeamsOf(ctx, u.ID)
		if err != nil {
			return fleet.User{}, err
		}
		var numbers []string
		for _, m := range teams {
			numbers = append(numbers, m.Team.String())
		}
		each = append(each, fmt.Sprintf("%d (since %s, in team %s)", u.ID, u.Created.Format(time.DateOnly), cmp.Or(strings.Join(numbers, ", "), "none")))
	}
	return fleet.User{}, fleet.Errorf(fleet.Conflict, "%d accounts have the email %.140s: give the number of one of them: %s", len(users), which, strings.Join(each, ", "))
}

func (a *Accounts) setPassword(ctx context.Context, user fleet.User, password string) (fleet.User, error) {
	if user.Password == "" {
		return user, noPassword(user)
	}
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return user, err
	}
	return a.teams.EditUser(ctx, user.ID, func(u *fleet.User) error {
		u.Password = hash
		return nil
	})
}

func noPassword(u fleet.User) error {
	return fleet.Errorf(fleet.Conflict, "%s is a program and has no password: rotate its token instead", u.Email)
}

// Bootstrap creates the first team and its owner in an installation without teams, and
// reports whether it did. It returns fleet.Invalid for an email or a password that can't be
// one.
func (a *Accounts) Bootstrap(ctx context.Context, team, email, password string) (created bool, err error) {
	empty, err := a.Empty(ctx)
	if err != nil || !empty {
		return false, err
	}
	user, err := a.firstUser(ctx, email, password)
	if err != nil {
		return false, err
	}
	_, err = a.createTeam(ctx, team, user)
	return err == nil, err
}

// firstUser creates the owner of the first team, or takes the one of an earlier start that ended
// before there was a team.
func (a *Accounts) firstUser(ctx context.Context, email, password string) (fleet.User, error) {
	users, err := a.teams.UsersByEmail(ctx, fleet.NormalEmail(email))
	if err != nil {
		return fleet.User{}, err
	}
	if len(users) > 0 {
		return a.setPassword(ctx, users[0], password)
	}
	return a.createUser(ctx, fleet.User{Email: email}, password)
}

// Empty reports whether the installation has no team yet.
func (a *Accounts) Empty(ctx context.Context) (bool, error) {
	teams, err := a.teams.AllTeams(ctx)
	return len(teams) == 0, err
}

// createUser creates an account of u with a password.
func (a *Accounts) createUser(ctx context.Context, u fleet.User, password string) (fleet.User, error) {
	var err error
	if u.Email, err = parseEmail(u.Email); err != nil {
		return fleet.User{}, err
	}
	if err := fleet.CheckText("name", u.Name, fleet.MaxName); err != nil {
		return fleet.User{}, err
	}
	if u.Password, err = a.hasher.hash(ctx, password); err != nil {
		return fleet.User{}, err
	}
	u.Created = time.Now().UTC()
	return a.teams.CreateUser(ctx, u)
}

// parseEmail accepts the address of a person.
func parseEmail(s string) (string, error) {
	email, err := fleet.ParseEmail(s)
	if err == nil && strings.HasSuffix(email, programHost) {
		err = fleet.FieldErrorf("email", "email %.140q: addresses that end in %s are for programs", email, programHost)
	}
	return email, err
}
