package accounts

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// signInLabel is the label of a token created by a sign-in.
const signInLabel = "sign-in"

// SignIn checks a password and creates a token for the team asked for, or for the user's
// oldest team. It returns the token's secret, which is not kept. Errors are
// fleet.Unauthenticated for a wrong proof, with the same text whatever is wrong with it, and
// fleet.Busy if its turn to be verified did not come within seconds. A browser that the user
// signed in with before has attempts of its own (KnownBrowser).
func (a *Accounts) SignIn(ctx context.Context, proof fleet.SignIn) (secret string, t fleet.Token, err error) {
	proof.Email = fleet.NormalEmail(proof.Email)
	users, known, err := a.candidates(ctx, proof)
	if err != nil {
		return "", t, err
	}
	who := prover{address: proof.Address, account: proof.Email, known: known}
	user, err := a.prove(ctx, who, users, proof.Password, "email or password is wrong")
	if err != nil {
		return "", t, err
	}
	member, err := a.memberOf(ctx, user.ID, proof.Team)
	if err != nil {
		return "", t, err
	}
	return a.startSession(ctx, user, at(actorOf(member), proof.Address), proof.Lifetime)
}

// maxCandidates is how many accounts with one email are tried with a password.
const maxCandidates = 4

// candidates returns the accounts with the proof's email whose password is tried, at most
// maxCandidates: those of its team, 0 for any, the one that its browser is known to first, then the
// oldest. known is the browser's id. With the team, an account is found however many others have
// its email.
func (a *Accounts) candidates(ctx context.Context, proof fleet.SignIn) (found []fleet.User, known string, err error) {
	users, err := a.teams.UsersByEmail(ctx, proof.Email)
	if err != nil {
		return nil, "", err
	}
	for _, u := range users {
		if proof.Team != 0 && len(users) > 1 {
			_, err := a.teams.Member(ctx, proof.Team, u.ID)
			if errors.Is(err, fleet.NotFound) {
				continue
			}
			if err != nil {
				return nil, "", err
			}
		}
		if id := knownBrowser(u, proof.Browser, a.clock.Now()); id != "" {
			found, known = slices.Insert(found, 0, u), id
		} else {
			found = append(found, u)
		}
	}
	return found[:min(len(found), maxCandidates)], known, nil
}

// prove returns which of users has the password offered by who. It returns
// fleet.Unauthenticated with this text where none has, and fleet.Busy if it was not verified: a
// known browser after too many wrong ones, a stranger whose turn did not come.
func (a *Accounts) prove(ctx context.Context, who prover, users []fleet.User, password, wrong string) (fleet.User, error) {
	giveBack := func() {}
	if who.known != "" {
		var err error
		if giveBack, err = a.proofs.try(who); err != nil {
			return fleet.User{}, err
		}
	}
	which, err := a.hasher.check(ctx, who, users, password)
	if errors.Is(err, fleet.Busy) {
		a.proofs.throttled.Add(1)
	}
	if err != nil {
		giveBack()
		return fleet.User{}, err
	}
	if which >= 0 {
		giveBack()
		return users[which], nil
	}
	a.failed(ctx, users, who.address)
	a.config.Failed(who.address, who.account, who.known)
	return fleet.User{}, fleet.Errorf(fleet.Unauthenticated, "%s", wrong)
}

// startSession creates the token of a sign-in whose password was right. If the password
// was changed in the meantime, all tokens it had opened were ended; this one is too.
func (a *Accounts) startSession(ctx context.Context, user fleet.User, who fleet.Actor, lifetime time.Duration) (string, fleet.Token, error) {
	secret, t, err := a.newToken(ctx, who, "", signInLabel, lifetime)
	if err != nil {
		return "", t, err
	}
	now, err := a.teams.User(ctx, user.ID)
	if err == nil && now.Password != user.Password {
		err = fleet.Errorf(fleet.Unauthenticated, "the password has just been changed: sign in again")
	}
	if err != nil {
		return "", fleet.Token{}, errors.Join(err, a.teams.DeleteToken(ctx, t.ID))
	}
	return secret, t, nil
}

// at is who, at an address.
func at(who fleet.Actor, address string) fleet.Actor {
	who.Address = address
	return who
}

// memberOf returns a user's membership in a team; team 0: in their oldest.
func (a *Accounts) memberOf(ctx context.Context, user fleet.UserID, team fleet.TeamID) (fleet.Member, error) {
	members, err := a.teams.TeamsOf(ctx, user)
	if err != nil {
		return fleet.Member{}, err
	}
	for _, m := range members {
		if team == 0 || m.Team == team {
			return m, nil
		}
	}
	return fleet.Member{}, fleet.Errorf(fleet.Unauthenticated, "you are not a member of such a team")
}

// SignOut ends the token with this secret.
func (a *Accounts) SignOut(ctx context.Context, actor fleet.Actor, secret string) error {
	t, err := a.token(ctx, secret)
	if err != nil {
		return err
	}
	return a.RevokeToken(ctx, actor, t.ID)
}

// Switch replaces the session whose token has this secret by one in another of the
// person's teams, without asking for a proof again. The new session ends when the old one
// would have. It returns fleet.NotFound for a team they are not in, and fleet.Denied for a
// token that was not created by a sign-in.
func (a *Accounts) Switch(ctx context.Context, actor fleet.Actor, secret string, team fleet.TeamID) (string, fleet.Token, error) {
	old, err := a.token(ctx, secret)
	if err != nil {
		return "", old, err
	}
	if old.User != actor.User || old.Team != actor.Team {
		return "", old, badToken()
	}
	if old.Label != signInLabel {
		return "", old, fleet.Errorf(fleet.Denied, "this token is for one team: sign in with your password to switch")
	}
	m, err := a.teams.Member(ctx, team, actor.User)
	if err != nil {
		return "", old, fleet.Hide(err, "you are not a member of such a team")
	}
	if err := actorOf(m).May(fleet.SeeTeam); err != nil {
		return "", old, err
	}
	lifetime := time.Duration(0)
	if !old.Expires.IsZero() {
		lifetime = old.Expires.Sub(a.clock.Now())
	}
	if !a.created.Take(actor.User) {
		return "", old, fleet.Errorf(fleet.Busy, "you have switched teams many times lately: try again in %s", tokenInterval)
	}
	renewed, t, err := a.newToken(ctx, at(actorOf(m), actor.Address), "", signInLabel, lifetime)
	if err != nil {
		return "", t, err
	}
	return renewed, t, a.revoke(ctx, actor, old) // what was made with it stays: the session continues
}
