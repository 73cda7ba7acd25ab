package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// A token's secret is "mst_", its id, "_" and 32 random bytes in base64url.
const (
	tokenPrefix  = "mst_"
	tokenIDBytes = 6
	tokenBytes   = 32
)

// SignInLabel is the label of a token that a sign-in made.
const SignInLabel = "sign-in"

// Bounds of failed sign-ins: per address, per account, and per account from one address,
// so that guessing is slow while a stranger can't easily lock an account's owner out.
var signInLimits = []struct {
	key      func(fleet.SignIn) string
	burst    int
	interval time.Duration
}{
	{func(p fleet.SignIn) string { return "a " + p.Address }, 30, 10 * time.Second},
	{func(p fleet.SignIn) string { return "b " + p.Address + " " + p.Email }, 10, time.Minute},
	{func(p fleet.SignIn) string { return "c " + p.Email }, 100, 10 * time.Second},
}

// SignIn checks a password and makes a token for the team asked for, or the user's oldest.
// The secret is not kept. It returns fleet.Unauthenticated for a wrong proof, whatever is
// wrong with it, and fleet.Busy after too many of them.
func (r *Registry) SignIn(ctx context.Context, proof fleet.SignIn) (secret string, t fleet.Token, err error) {
	proof.Email = strings.ToLower(strings.TrimSpace(proof.Email))
	giveBack, err := r.try(proof)
	if err != nil {
		return "", t, err
	}
	user, err := r.teams.UserByEmail(ctx, proof.Email)
	if err != nil && !errors.Is(err, fleet.NotFound) {
		giveBack()
		return "", t, err
	}
	right, err := r.hasher.check(ctx, user.Password, proof.Password)
	if err != nil {
		giveBack()
		return "", t, err
	}
	if !right {
		return "", t, fleet.Errorf(fleet.Unauthenticated, "email or password is wrong")
	}
	giveBack()
	member, err := r.memberOf(ctx, user.ID, proof.Team)
	if err != nil {
		return "", t, err
	}
	return r.begun(ctx, user, member, proof.Lifetime)
}

// begun makes the token of a sign-in whose password was right. The password may have been
// changed since: then the tokens it opens have been ended, and this one is too.
func (r *Registry) begun(ctx context.Context, user fleet.User, m fleet.Member, lifetime time.Duration) (string, fleet.Token, error) {
	secret, t, err := r.newToken(ctx, m, SignInLabel, lifetime)
	if err != nil {
		return "", t, err
	}
	now, err := r.teams.User(ctx, user.ID)
	if err == nil && now.Password != user.Password {
		err = fleet.Errorf(fleet.Unauthenticated, "the password has just been changed: sign in again")
	}
	if err != nil {
		return "", fleet.Token{}, errors.Join(err, r.teams.DeleteToken(ctx, t.ID))
	}
	return secret, t, nil
}

// try uses up a try of each limit, and returns how to undo that.
func (r *Registry) try(proof fleet.SignIn) (giveBack func(), err error) {
	for i, limit := range signInLimits {
		if r.proofs.take(limit.key(proof), limit.burst, limit.interval) {
			continue
		}
		for _, taken := range signInLimits[:i] {
			r.proofs.giveBack(taken.key(proof), taken.interval)
		}
		return nil, fleet.Errorf(fleet.Busy, "too many failed sign-ins: try again in a minute")
	}
	return func() {
		for _, taken := range signInLimits {
			r.proofs.giveBack(taken.key(proof), taken.interval)
		}
	}, nil
}

func (r *Registry) memberOf(ctx context.Context, user fleet.UserID, team fleet.TeamID) (fleet.Member, error) {
	members, err := r.teams.TeamsOf(ctx, user)
	if err != nil {
		return fleet.Member{}, err
	}
	for _, m := range members {
		if team == 0 || m.Team == team {
			return m, nil
		}
	}
	return fleet.Member{}, fleet.Errorf(fleet.Unauthenticated, "you are in no such team")
}

// Actor is who holds the token with this secret, with the rights of this moment. It
// returns fleet.Unauthenticated for an unknown, ended or expired token, and for one whose
// user left the team.
func (r *Registry) Actor(ctx context.Context, secret string) (fleet.Actor, error) {
	t, err := r.token(ctx, secret)
	if err != nil {
		return fleet.Actor{}, err
	}
	m, err := r.teams.Member(ctx, t.Team, t.User)
	if errors.Is(err, fleet.NotFound) {
		return fleet.Actor{}, badToken()
	}
	if err != nil {
		return fleet.Actor{}, err
	}
	return fleet.Actor{User: m.User, Email: m.Email, Team: m.Team, Role: m.Role, Groups: m.Groups}, nil
}

func (r *Registry) token(ctx context.Context, secret string) (fleet.Token, error) {
	id, ok := tokenID(secret)
	if !ok {
		return fleet.Token{}, badToken()
	}
	t, err := r.teams.Token(ctx, id)
	if errors.Is(err, fleet.NotFound) {
		return fleet.Token{}, badToken()
	}
	if err != nil {
		return fleet.Token{}, err
	}
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], t.Hash[:]) != 1 || !t.Expires.IsZero() && !time.Now().Before(t.Expires) {
		return fleet.Token{}, badToken()
	}
	return t, nil
}

func badToken() error {
	return fleet.Errorf(fleet.Unauthenticated, "the token is not valid, or not any more: sign in again")
}

// tokenID is the public part of a secret.
func tokenID(secret string) (string, bool) {
	rest, ok := strings.CutPrefix(secret, tokenPrefix)
	if !ok || len(rest) != 2*tokenIDBytes+1+base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return "", false
	}
	return rest[:2*tokenIDBytes], true
}

// NewToken makes a token for the actor, to hand to a program. lifetime 0 is the default.
func (r *Registry) NewToken(ctx context.Context, actor fleet.Actor, label string, lifetime time.Duration) (secret string, t fleet.Token, err error) {
	if err := may(actor, fleet.SeeTeam); err != nil {
		return "", t, err
	}
	if err := fleet.CheckText("label", label, 100); err != nil {
		return "", t, err
	}
	if label == SignInLabel { // or a program's token could pass for a person's session
		return "", t, fleet.FieldErrorf("label", "label %s is that of sign-ins: choose another", SignInLabel)
	}
	return r.newToken(ctx, fleet.Member{Team: actor.Team, User: actor.User, Email: actor.Email}, label, lifetime)
}

func (r *Registry) newToken(ctx context.Context, m fleet.Member, label string, lifetime time.Duration) (string, fleet.Token, error) {
	if lifetime <= 0 {
		lifetime = r.config.TokenLifetime
	}
	secret, t, err := r.makeToken(ctx, m, label, lifetime)
	if err == nil {
		r.audit.Record(ctx, fleet.Actor{Team: m.Team, User: m.User, Email: m.Email}, "token.create", t.ID, nil, audit.Fields{"label": label, "expires": t.Expires})
	}
	return secret, t, err
}

func (r *Registry) makeToken(ctx context.Context, m fleet.Member, label string, lifetime time.Duration) (string, fleet.Token, error) {
	public, random := make([]byte, tokenIDBytes), make([]byte, tokenBytes)
	_, _ = rand.Read(public) // never fails since Go 1.24
	_, _ = rand.Read(random)
	id := hex.EncodeToString(public)
	secret := tokenPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(random)
	now := time.Now().UTC()
	t := fleet.Token{ID: id, Hash: sha256.Sum256([]byte(secret)), User: m.User, Team: m.Team, Label: label, Created: now, Expires: now.Add(lifetime)}
	err := r.teams.CreateToken(ctx, t)
	if errors.Is(err, fleet.Busy) && r.sweep(ctx, m.User) == nil {
		err = r.teams.CreateToken(ctx, t)
	}
	if err != nil {
		return "", fleet.Token{}, err
	}
	return secret, t, nil
}
