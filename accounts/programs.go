package accounts

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/gosimple/slug"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// programHost ends the address that identifies a program; it receives no mail.
const programHost = "@api.muster"

// programLifetime is the lifetime of a program's token that is created without one.
const programLifetime = 365 * 24 * time.Hour

// AddProgram creates a user for a program: it has a role and groups like a person, signs in
// with its one token, and belongs to this team only. It returns the token's secret, which is
// not kept.
func (a *Accounts) AddProgram(ctx context.Context, actor fleet.Actor, name string, role fleet.Role, groups []string, lifetime time.Duration) (m fleet.Member, secret string, t fleet.Token, err error) {
	ids, err := a.mayAssign(ctx, actor, role, groups)
	if err != nil {
		return m, "", t, err
	}
	if err := fleet.CheckName("friendly_name", name); err != nil {
		return m, "", t, err
	}
	now := time.Now().UTC()
	user, err := a.teams.CreateUser(ctx, fleet.User{Email: programAddress(name), Name: name, Created: now})
	if err != nil {
		return m, "", t, err
	}
	m = fleet.Member{Team: actor.Team, User: user.ID, Email: user.Email, Role: role, Groups: ids, Joined: now, Program: true}
	if err := a.teams.AddMember(ctx, m); err != nil {
		return m, "", t, err
	}
	a.audit.Record(ctx, actor, "user.add", m.Email, nil, audit.Fields{"name": name, "role": role.String(), "groups": groups, "program": true})
	secret, t, err = a.programToken(ctx, actor, m, lifetime)
	return m, secret, t, err
}

// programAddress returns an address that is unique and resembles name.
func programAddress(name string) string {
	random := make([]byte, 5)
	_, _ = rand.Read(random) // never fails since Go 1.24
	plain := slug.Make(strings.ReplaceAll(name, "_", "-"))
	return strings.Trim(plain[:min(len(plain), fleet.MaxSlug)], "-") + "+" + hex.EncodeToString(random) + programHost
}

// RotateProgram ends a program's tokens and creates another. It returns fleet.Conflict for a
// person.
func (a *Accounts) RotateProgram(ctx context.Context, actor fleet.Actor, email string, lifetime time.Duration) (m fleet.Member, secret string, t fleet.Token, err error) {
	if m, err = a.member(ctx, actor, email); err != nil {
		return m, "", t, err
	}
	if err := mayManage(actor, m.Role); err != nil {
		return m, "", t, err
	}
	if !m.Program {
		return m, "", t, fleet.Errorf(fleet.Conflict, "%s is a person, who creates their own tokens", m.Email)
	}
	if err := a.endTokens(ctx, m.Team, m.User, ""); err != nil {
		return m, "", t, err
	}
	secret, t, err = a.programToken(ctx, actor, m, lifetime)
	return m, secret, t, err
}

// programToken creates a token of program m and records that actor did so.
func (a *Accounts) programToken(ctx context.Context, actor fleet.Actor, m fleet.Member, lifetime time.Duration) (string, fleet.Token, error) {
	if lifetime <= 0 {
		lifetime = programLifetime
	}
	secret, t, err := a.createToken(ctx, m, "", "program", lifetime)
	if err == nil {
		a.audit.Record(ctx, actor, "token.create", t.ID, nil, audit.Fields{"user": m.Email, "expires": t.Expires})
	}
	return secret, t, err
}
