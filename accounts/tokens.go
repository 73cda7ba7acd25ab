package accounts

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

// A token's secret is "mst_", its id in hexadecimal, "_" and its random part in base64url.
const (
	tokenPrefix  = "mst_"
	tokenIDBytes = 6
	tokenBytes   = 32
)

// Actor returns the user that the token with this secret stands for, with the rights of
// this moment. It returns fleet.Unauthenticated for an unknown, revoked or expired token,
// and for one whose user left the team.
func (a *Accounts) Actor(ctx context.Context, secret string) (fleet.Actor, error) {
	t, err := a.token(ctx, secret)
	if err != nil {
		return fleet.Actor{}, err
	}
	return a.actorWith(ctx, t)
}

// ActorFrom is like Actor, and records the IP address of the request with the token.
func (a *Accounts) ActorFrom(ctx context.Context, secret, address string) (fleet.Actor, error) {
	t, err := a.token(ctx, secret)
	if err != nil {
		return fleet.Actor{}, err
	}
	who, err := a.actorWith(ctx, t)
	if err != nil {
		return who, err
	}
	a.used(ctx, t, address)
	return at(who, address), nil
}

// A token's use is written only so often: a use from the same address after useInterval, from
// another after moveInterval.
const (
	useInterval  = time.Hour
	moveInterval = time.Minute
)

// used keeps with t that it was used from address. A use that the store does not take is not kept:
// the next one will be.
func (a *Accounts) used(ctx context.Context, t fleet.Token, address string) {
	now := a.clock.Now().UTC()
	interval := useInterval
	if address != t.From {
		interval = moveInterval
	}
	if since := now.Sub(t.Used); 0 <= since && since < interval {
		return
	}
	t.Used, t.From = now, address
	_ = a.teams.TokenUsed(ctx, t)
}

func (a *Accounts) actorWith(ctx context.Context, t fleet.Token) (fleet.Actor, error) {
	m, err := a.teams.Member(ctx, t.Team, t.User)
	if errors.Is(err, fleet.NotFound) {
		return fleet.Actor{}, badToken()
	}
	if err != nil {
		return fleet.Actor{}, err
	}
	actor := actorOf(m)
	actor.Token = t.ID
	return actor, nil
}

func actorOf(m fleet.Member) fleet.Actor {
	return fleet.Actor{User: m.User, Email: m.Email, Team: m.Team, Role: m.Role, Groups: m.Groups}
}

// token returns the valid token with this secret.
func (a *Accounts) token(ctx context.Context, secret string) (fleet.Token, error) {
	id, ok := tokenID(secret)
	if !ok {
		return fleet.Token{}, badToken()
	}
	t, err := a.teams.Token(ctx, id)
	if errors.Is(err, fleet.NotFound) {
		return fleet.Token{}, badToken()
	}
	if err != nil {
		return fleet.Token{}, err
	}
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], t.Hash[:]) != 1 || a.expired(t) {
		return fleet.Token{}, badToken()
	}
	return t, nil
}

func (a *Accounts) expired(t fleet.Token) bool {
	return !t.Expires.IsZero() && !a.clock.Now().Before(t.Expires)
}

func badToken() error {
	return fleet.Errorf(fleet.Unauthenticated, "the token is not valid, or no longer valid: sign in again")
}

// tokenID returns the public part of a secret.
func tokenID(secret string) (string, bool) {
	rest, ok := strings.CutPrefix(secret, tokenPrefix)
	if !ok || len(rest) != 2*tokenIDBytes+1+base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return "", false
	}
	return rest[:2*tokenIDBytes], true
}

// newSecret returns prefix, a random id, "_" and a random part, and the id.
func newSecret(prefix string) (secret, id string) {
	public, random := make([]byte, tokenIDBytes), make([]byte, tokenBytes)
	_, _ = rand.Read(public) // never fails since Go 1.24
	_, _ = rand.Read(random)
	id = hex.EncodeToString(public)
	return prefix + id + "_" + base64.RawURLEncoding.EncodeToString(random), id
}

// NewChild creates a token for a user signed in with the token whose secret is parent. The new
// token ends with that one at the latest, so that nobody who has a token can prolong it.
func (a *Accounts) NewChild(ctx context.Context, actor fleet.Actor, parent, label string, lifetime time.Duration) (secret string, t fleet.Token, err error) {
	p, err := a.token(ctx, parent)
	if err != nil {
		return "", t, err
	}
	if lifetime <= 0 {
		lifetime = a.config.TokenLifetime
	}
	if !p.Expires.IsZero() {
		lifetime = min(lifetime, p.Expires.Sub(a.clock.Now()))
	}
	return a.create(ctx, actor, p.ID, label, lifetime)
}

// NewToken creates a token for the actor, to use in a script, and returns its secret, which
// is not kept. A lifetime of 0 is the default.
func (a *Accounts) NewToken(ctx context.Context, actor fleet.Actor, label string, lifetime time.Duration) (secret string, t fleet.Token, err error) {
	return a.create(ctx, actor, "", label, lifetime)
}

func (a *Accounts) create(ctx context.Context, actor fleet.Actor, parent, label string, lifetime time.Duration) (secret string, t fleet.Token, err error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return "", t, err
	}
	if err := fleet.CheckText("label", label, 100); err != nil {
		return "", t, err
	}
	if label == signInLabel { // or Switch would take a script's token for a person's session
		return "", t, fleet.FieldErrorf("label", "label %s is reserved for sign-ins: choose another", signInLabel)
	}
	if !a.created.Take(actor.User) {
		return "", t, fleet.Errorf(fleet.Busy, "you have created many tokens lately: use one of them, or try again in %s", tokenInterval)
	}
	return a.newToken(ctx, actor, parent, label, lifetime)
}

// newToken creates a token of actor and records that they did so. parent is the id of the token it
// is made with, "" without one.
func (a *Accounts) newToken(ctx context.Context, actor fleet.Actor, parent, label string, lifetime time.Duration) (string, fleet.Token, error) {
	if lifetime <= 0 {
		lifetime = a.config.TokenLifetime
	}
	end, err := a.audit.Begin(actor, "token.create") // a sign-in has no request of an actor
	if err != nil {
		return "", fleet.Token{}, err
	}
	defer end()
	m := fleet.Member{Team: actor.Team, User: actor.User, Email: actor.Email}
	secret, t, err := a.createToken(ctx, m, parent, label, lifetime)
	if err == nil {
		a.audit.Record(ctx, actor, "token.create", t.ID, nil, audit.Fields{"label": label, "expires": t.Expires})
	}
	return secret, t, err
}

// maxTokenLife bounds the lifetime of every token: one that was forgotten ends some day.
const maxTokenLife = 366 * 24 * time.Hour

func (a *Accounts) createToken(ctx context.Context, m fleet.Member, parent, label string, lifetime time.Duration) (string, fleet.Token, error) {
	if lifetime > maxTokenLife {
		return "", fleet.Token{}, fleet.FieldErrorf("expires_in", "expires_in: a token lives for at most %d days", maxTokenLife/(24*time.Hour))
	}
	secret, id := newSecret(tokenPrefix)
	now := a.clock.Now().UTC()
	t := fleet.Token{ID: id, Hash: sha256.Sum256([]byte(secret)), User: m.User, Team: m.Team, Label: label, Created: now, Expires: now.Add(lifetime), Parent: parent}
	err := a.teams.CreateToken(ctx, t)
	if errors.Is(err, fleet.Busy) && a.sweep(ctx, m.User) == nil {
		err = a.teams.CreateToken(ctx, t)
	}
	if err != nil {
		return "", fleet.Token{}, err
	}
	return secret, t, nil
}

// sweep makes room for a token of a user who has as many as they may have, in all teams
// together: it deletes those that expired, or else the oldest one of a sign-in.
func (a *Accounts) sweep(ctx context.Context, user fleet.UserID) error {
	tokens, err := a.teams.Tokens(ctx, 0, user)
	if err != nil {
		return err
	}
	var gone []fleet.Token
	for _, t := range tokens { // newest first
		if a.expired(t) {
			gone = append(gone, t)
		}
	}
	for i := len(tokens) - 1; i >= 0 && len(gone) == 0; i-- {
		if tokens[i].Label == signInLabel {
			gone = tokens[i : i+1]
		}
	}
	for _, t := range gone {
		if err := a.teams.DeleteToken(ctx, t.ID); err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	return nil
}

// endTokens ends all tokens of a user for a team, except the one with the id keep; team 0:
// for all teams.
func (a *Accounts) endTokens(ctx context.Context, team fleet.TeamID, user fleet.UserID, keep string) error {
	tokens, err := a.teams.Tokens(ctx, team, user)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.ID == keep {
			continue
		}
		if err := a.teams.DeleteToken(ctx, t.ID); err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	return nil
}
