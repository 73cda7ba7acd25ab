package registry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// programHost ends the address a program is known by; nobody reads mail there.
const programHost = "@api.muster"

// programLifetime is how long a program's token lives that asks for no other.
const programLifetime = 365 * 24 * time.Hour

// AddProgram makes a user for a program: it has a role and groups like a person, signs in
// by its one token, and belongs to this team alone. The secret is not kept.
func (r *Registry) AddProgram(ctx context.Context, actor fleet.Actor, name string, role fleet.Role, groups []string, lifetime time.Duration) (m fleet.Member, secret string, t fleet.Token, err error) {
	ids, err := r.mayAssign(ctx, actor, role, groups)
	if err != nil {
		return m, "", t, err
	}
	if err := named("friendly_name", name); err != nil {
		return m, "", t, err
	}
	random := make([]byte, 5)
	_, _ = rand.Read(random) // never fails since Go 1.24
	now := time.Now().UTC()
	user, err := r.teams.CreateUser(ctx, fleet.User{Email: slugOf(name) + "+" + hex.EncodeToString(random) + programHost, Name: name, Created: now})
	if err != nil {
		return m, "", t, err
	}
	m = fleet.Member{Team: actor.Team, User: user.ID, Email: user.Email, Role: role, Groups: ids, Joined: now, Program: true}
	if err := r.teams.AddMember(ctx, m); err != nil {
		return m, "", t, err
	}
	r.audit.Record(ctx, actor, "user.add", m.Email, nil, audit.Fields{"name": name, "role": role.String(), "groups": groups, "program": true})
	secret, t, err = r.programToken(ctx, actor, m, lifetime)
	return m, secret, t, err
}

// RotateProgram ends a program's tokens and gives it another.
func (r *Registry) RotateProgram(ctx context.Context, actor fleet.Actor, email string, lifetime time.Duration) (m fleet.Member, secret string, t fleet.Token, err error) {
	if m, err = r.member(ctx, actor, email); err != nil {
		return m, "", t, err
	}
	if err := mayManage(actor, m.Role); err != nil {
		return m, "", t, err
	}
	if !m.Program {
		return m, "", t, fleet.Errorf(fleet.Conflict, "%s is a person, who makes tokens for themselves", m.Email)
	}
	if err := r.endTokens(ctx, m.Team, m.User, ""); err != nil {
		return m, "", t, err
	}
	secret, t, err = r.programToken(ctx, actor, m, lifetime)
	return m, secret, t, err
}

// programToken makes a program's token; the audit log names who asked for it.
func (r *Registry) programToken(ctx context.Context, actor fleet.Actor, m fleet.Member, lifetime time.Duration) (string, fleet.Token, error) {
	if lifetime <= 0 {
		lifetime = programLifetime
	}
	secret, t, err := r.makeToken(ctx, m, "program", lifetime)
	if err == nil {
		r.audit.Record(ctx, actor, "token.create", t.ID, nil, audit.Fields{"user": m.Email, "expires": t.Expires})
	}
	return secret, t, err
}

// endTokens ends all tokens of a user for a team, 0: for any, but the one to keep.
func (r *Registry) endTokens(ctx context.Context, team fleet.TeamID, user fleet.UserID, keep string) error {
	tokens, err := r.teams.Tokens(ctx, team, user)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.ID == keep {
			continue
		}
		if err := r.teams.DeleteToken(ctx, t.ID); err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	return nil
}
