package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// An invitation's secret is "msi_", the team's number, "_", its id, "_" and 32 random
// bytes in base64url.
const invitationPrefix = "msi_"

// invitationLifetime is how long an invitation can be accepted.
const invitationLifetime = 7 * 24 * time.Hour

// Invite offers a person a place in the team and returns the secret by which they take it,
// once: it is not kept. An earlier invitation of the same email ends. It returns
// fleet.Conflict when they are in the team already.
func (r *Registry) Invite(ctx context.Context, actor fleet.Actor, email string, role fleet.Role, groups []string) (secret string, i fleet.Invitation, err error) {
	ids, err := r.mayAssign(ctx, actor, role, groups)
	if err != nil {
		return "", i, err
	}
	if email, err = parseEmail(email); err != nil {
		return "", i, err
	}
	if _, err := r.member(ctx, actor, email); !errors.Is(err, fleet.NotFound) {
		return "", i, errors.Join(err, &fleet.Error{Kind: fleet.Conflict, Field: "email", Text: email + " is in the team already"})
	}
	if err := r.mayReplace(ctx, actor, email); err != nil {
		return "", i, err
	}
	secret, id := newInvitationSecret(actor.Team)
	now := time.Now().UTC()
	i = fleet.Invitation{
		ID: id, Team: actor.Team, Email: email, Hash: sha256.Sum256([]byte(secret)), Role: role, Groups: ids,
		By: actor.Email, Created: now, Expires: now.Add(invitationLifetime),
	}
	if err := r.teams.Invite(ctx, i); err != nil {
		return "", i, err
	}
	r.audit.Record(ctx, actor, "user.invite", email, nil, audit.Fields{"role": role.String(), "groups": groups})
	return secret, i, nil
}

// mayReplace asks whether actor may end an open invitation of email, where there is one.
func (r *Registry) mayReplace(ctx context.Context, actor fleet.Actor, email string) error {
	i, err := r.invitation(ctx, actor.Team, func(i fleet.Invitation) bool { return i.Email == email })
	if errors.Is(err, fleet.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return mayManage(actor, i.Role)
}

// Invitations are the open ones, by email, without hashes; for who may invite.
func (r *Registry) Invitations(ctx context.Context, actor fleet.Actor) ([]fleet.Invitation, error) {
	if err := may(actor, fleet.ManageUsers); err != nil {
		return nil, err
	}
	invited, err := r.teams.Invitations(ctx, actor.Team)
	for at := range invited {
		invited[at].Hash = [32]byte{}
	}
	return invited, err
}

// uninvite takes the open invitation of email back.
func (r *Registry) uninvite(ctx context.Context, actor fleet.Actor, email string) error {
	absent := fleet.Errorf(fleet.NotFound, "no such user in this team: %.140s", email)
	if err := may(actor, fleet.ManageUsers); err != nil {
		return absent // who may not invite does not see who is invited
	}
	i, err := r.invitation(ctx, actor.Team, func(i fleet.Invitation) bool { return i.Email == normal(email) })
	if errors.Is(err, fleet.NotFound) {
		return absent
	}
	if err != nil {
		return err
	}
	if err := mayManage(actor, i.Role); err != nil {
		return err
	}
	if err := r.teams.Uninvite(ctx, actor.Team, i.ID); err != nil {
		return err
	}
	r.audit.Record(ctx, actor, "user.uninvite", i.Email, audit.Fields{"role": i.Role.String()}, nil)
	return nil
}

func (r *Registry) invitation(ctx context.Context, team fleet.TeamID, is func(fleet.Invitation) bool) (fleet.Invitation, error) {
	invited, err := r.teams.Invitations(ctx, team)
	if err != nil {
		return fleet.Invitation{}, err
	}
	for _, i := range invited {
		if is(i) {
			return i, nil
		}
	}
	return fleet.Invitation{}, fleet.Errorf(fleet.NotFound, "no such invitation")
}

// Accept takes the place an invitation offers and signs in to it. A new account gets the
// password given, and has to be without one until then; an existing account has to prove
// itself by its own. It returns fleet.Unauthenticated for a secret that is wrong, expired
// or was used, and for a wrong password; fleet.Busy after too many wrong proofs.
func (r *Registry) Accept(ctx context.Context, a fleet.Acceptance) (secret string, t fleet.Token, err error) {
	i, err := r.proven(ctx, a)
	if err != nil {
		return "", t, err
	}
	user, err := r.invited(ctx, i, a)
	if err != nil {
		return "", t, err
	}
	m := fleet.Member{Team: i.Team, User: user.ID, Email: user.Email, Joined: time.Now().UTC()}
	m, err = r.teams.AcceptInvitation(ctx, i.ID, m)
	if errors.Is(err, fleet.NotFound) {
		return "", t, badInvitation()
	}
	if err != nil {
		return "", t, err
	}
	actor := fleet.Actor{User: m.User, Email: m.Email, Team: m.Team, Role: m.Role, Groups: m.Groups}
	r.audit.Record(ctx, actor, "user.accept", m.Email, nil, audit.Fields{"role": m.Role.String(), "groups": m.Groups, "invited_by": i.By})
	return r.begun(ctx, user, m, 0)
}

// proven finds the invitation of a secret.
func (r *Registry) proven(ctx context.Context, a fleet.Acceptance) (fleet.Invitation, error) {
	team, id, ok := invitationID(a.Secret)
	if !ok {
		return fleet.Invitation{}, badInvitation()
	}
	giveBack, err := r.try(fleet.SignIn{Address: a.Address, Email: "invitation " + id}) // failed tries at others count for nothing
	if err != nil {
		return fleet.Invitation{}, err
	}
	i, err := r.invitation(ctx, team, func(i fleet.Invitation) bool { return i.ID == id })
	if errors.Is(err, fleet.NotFound) {
		return i, badInvitation()
	}
	if err != nil {
		giveBack()
		return i, err
	}
	hash := sha256.Sum256([]byte(a.Secret))
	if subtle.ConstantTimeCompare(hash[:], i.Hash[:]) != 1 || !time.Now().Before(i.Expires) {
		return i, badInvitation()
	}
	giveBack()
	return i, nil
}

// invitationID is the public part of a secret: the team and the invitation.
func invitationID(secret string) (team fleet.TeamID, id string, ok bool) {
	rest, ok1 := strings.CutPrefix(secret, invitationPrefix)
	number, rest, ok2 := strings.Cut(rest, "_")
	id, _, ok3 := strings.Cut(rest, "_")
	n, err := strconv.ParseUint(number, 10, 32)
	return fleet.TeamID(n), id, ok1 && ok2 && ok3 && err == nil && len(id) == 2*tokenIDBytes
}

// invited is the account of an invited person, made or proven by its password.
func (r *Registry) invited(ctx context.Context, i fleet.Invitation, a fleet.Acceptance) (fleet.User, error) {
	user, err := r.teams.UserByEmail(ctx, i.Email)
	if errors.Is(err, fleet.NotFound) {
		return r.createUser(ctx, fleet.User{Email: i.Email, Name: a.Name}, a.Password)
	}
	if err != nil {
		return user, err
	}
	proof := fleet.SignIn{Email: i.Email, Address: a.Address}
	giveBack, err := r.try(proof)
	if err != nil {
		return user, err
	}
	right, err := r.hasher.check(ctx, user.Password, a.Password)
	if err != nil || right {
		giveBack()
	}
	if err == nil && !right {
		err = fleet.Errorf(fleet.Unauthenticated, "%s has an account: accept with its password", i.Email)
	}
	return user, err
}

func badInvitation() error {
	return fleet.Errorf(fleet.Unauthenticated, "the invitation is not valid, or not any more: ask for another")
}

func newInvitationSecret(team fleet.TeamID) (secret, id string) {
	public, random := make([]byte, tokenIDBytes), make([]byte, tokenBytes)
	_, _ = rand.Read(public) // never fails since Go 1.24
	_, _ = rand.Read(random)
	id = hex.EncodeToString(public)
	return invitationPrefix + team.String() + "_" + id + "_" + base64.RawURLEncoding.EncodeToString(random), id
}
