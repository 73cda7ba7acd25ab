package accounts

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// An invitation's secret is "msi_", the team's number, "_", and what follows the prefix of a
// token's secret.
const invitationPrefix = "msi_"

// invitationLifetime is how long an invitation can be accepted.
const invitationLifetime = 7 * 24 * time.Hour

// Invite offers a person a place in the team and returns the secret with which they accept
// it, which is not kept. An earlier invitation of the same email is revoked. It returns
// fleet.Conflict if they are a member already.
func (a *Accounts) Invite(ctx context.Context, actor fleet.Actor, email string, role fleet.Role, groups []string) (secret string, i fleet.Invitation, err error) {
	ids, err := a.mayAssign(ctx, actor, role, groups)
	if err != nil {
		return "", i, err
	}
	if email, err = parseEmail(email); err != nil {
		return "", i, err
	}
	if _, err := a.member(ctx, actor, email); !errors.Is(err, fleet.NotFound) {
		return "", i, errors.Join(err, &fleet.Error{Kind: fleet.Conflict, Field: "email", Text: email + " is in the team already"})
	}
	if err := a.mayReplace(ctx, actor, email); err != nil {
		return "", i, err
	}
	secret, id := newInvitationSecret(actor.Team)
	now := a.clock.Now().UTC()
	i = fleet.Invitation{
		ID: id, Team: actor.Team, Email: email, Hash: sha256.Sum256([]byte(secret)), Role: role, Groups: ids,
		By: actor.Email, Created: now, Expires: now.Add(invitationLifetime),
	}
	if err := a.teams.Invite(ctx, i); err != nil {
		return "", i, err
	}
	a.audit.Record(ctx, actor, "user.invite", email, nil, audit.Fields{"role": role.String(), "groups": groups})
	return secret, i, nil
}

func newInvitationSecret(team fleet.TeamID) (secret, id string) {
	return newSecret(invitationPrefix + team.String() + "_")
}

// mayReplace checks that actor may revoke the open invitation of email, if there is one.
func (a *Accounts) mayReplace(ctx context.Context, actor fleet.Actor, email string) error {
	i, err := a.invitation(ctx, actor.Team, func(i fleet.Invitation) bool { return i.Email == email })
	if errors.Is(err, fleet.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return mayManage(actor, i.Role)
}

// Invitations returns the open invitations of the team, by email, without hashes. It
// requires the right to invite.
func (a *Accounts) Invitations(ctx context.Context, actor fleet.Actor) ([]fleet.Invitation, error) {
	if err := actor.May(fleet.ManageUsers); err != nil {
		return nil, err
	}
	invited, err := a.teams.Invitations(ctx, actor.Team)
	for at := range invited {
		invited[at].Hash = [32]byte{}
	}
	return invited, err
}

// revokeInvitation ends the open invitation of email.
func (a *Accounts) revokeInvitation(ctx context.Context, actor fleet.Actor, email string) error {
	absent := fleet.Errorf(fleet.NotFound, "no such user in this team: %.140s", email)
	if err := actor.May(fleet.ManageUsers); err != nil {
		return absent // an actor who may not invite does not see who is invited
	}
	i, err := a.invitation(ctx, actor.Team, func(i fleet.Invitation) bool { return i.Email == fleet.NormalEmail(email) })
	if errors.Is(err, fleet.NotFound) {
		return absent
	}
	if err != nil {
		return err
	}
	if err := mayManage(actor, i.Role); err != nil {
		return err
	}
	if err := a.teams.Uninvite(ctx, actor.Team, i.ID); err != nil {
		return err
	}
	a.audit.Record(ctx, actor, "user.uninvite", i.Email, audit.Fields{"role": i.Role.String()}, nil)
	return nil
}

// invitation returns the first open invitation of team that matches, or fleet.NotFound.
func (a *Accounts) invitation(ctx context.Context, team fleet.TeamID, matches func(fleet.Invitation) bool) (fleet.Invitation, error) {
	invited, err := a.teams.Invitations(ctx, team)
	if err != nil {
		return fleet.Invitation{}, err
	}
	for _, i := range invited {
		if matches(i) {
			return i, nil
		}
	}
	return fleet.Invitation{}, fleet.Errorf(fleet.NotFound, "no such invitation")
}

// Accept makes the invited person a member and signs them in to the team. A new account gets
// the password given; an existing account must prove itself by its own, or the person asks for
// another one: whoever has used their email before keeps them out of nothing (docs/adr/0039). Errors are
// fleet.Unauthenticated for a secret that is wrong, expired, revoked or used, and for a wrong
// password; fleet.Invalid for a new password out of bounds; and fleet.Busy after too many
// wrong proofs.
func (a *Accounts) Accept(ctx context.Context, acceptance fleet.Acceptance) (secret string, t fleet.Token, err error) {
	i, err := a.proveInvitation(ctx, acceptance.Secret, acceptance.Address)
	if err != nil {
		return "", t, err
	}
	user, created, err := a.invitedUser(ctx, i, acceptance)
	if err != nil {
		return "", t, err
	}
	m := fleet.Member{Team: i.Team, User: user.ID, Email: user.Email, Joined: time.Now().UTC()}
	end, err := a.audit.Begin(at(actorOf(m), acceptance.Address), "user.accept "+m.Email)
	if err != nil {
		return "", t, err
	}
	defer end()
	m, err = a.teams.AcceptInvitation(ctx, i.ID, m)
	if err != nil && created && !errors.Is(err, fleet.Unavailable) { // or it may have been accepted
		err = errors.Join(err, a.teams.DeleteUser(ctx, user.ID))
	}
	if errors.Is(err, fleet.NotFound) {
		return "", t, badInvitation()
	}
	if err != nil {
		return "", t, err
	}
	a.audit.Record(ctx, at(actorOf(m), acceptance.Address), "user.accept", m.Email, nil, audit.Fields{"role": m.Role.String(), "groups": m.Groups, "invited_by": i.By})
	return a.startSession(ctx, user, at(actorOf(m), acceptance.Address), 0)
}

// Invited returns the open invitation that secret belongs to, without its hash, and the team. It
// requires no other right; address is that of the client, without port. It returns
// fleet.Unauthenticated for a secret that is wrong, expired, revoked or used, and fleet.Busy
// after too many of those.
func (a *Accounts) Invited(ctx context.Context, secret, address string) (fleet.Invitation, fleet.Team, error) {
	i, err := a.proveInvitation(ctx, secret, address)
	if err != nil {
		return fleet.Invitation{}, fleet.Team{}, err
	}
	i.Hash = [32]byte{}
	team, err := a.teams.Team(ctx, i.Team)
	return i, team, err
}

// proveInvitation returns the invitation that the secret belongs to.
func (a *Accounts) proveInvitation(ctx context.Context, secret, address string) (fleet.Invitation, error) {
	team, id, ok := invitationID(secret)
	if !ok {
		return fleet.Invitation{}, badInvitation()
	}
	i, err := a.invitation(ctx, team, func(i fleet.Invitation) bool { return i.ID == id })
	if errors.Is(err, fleet.NotFound) {
		return i, a.proofs.wrongInvitation(address)
	}
	if err != nil {
		return i, err
	}
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], i.Hash[:]) != 1 || !a.clock.Now().Before(i.Expires) {
		return i, a.proofs.wrongInvitation(address)
	}
	return i, nil
}

// invitationID returns the public parts of a secret: the team and the invitation's id.
func invitationID(secret string) (team fleet.TeamID, id string, ok bool) {
	rest, ok1 := strings.CutPrefix(secret, invitationPrefix)
	number, rest, ok2 := strings.Cut(rest, "_")
	id, _, ok3 := strings.Cut(rest, "_")
	n, err := strconv.ParseUint(number, 10, 32)
	return fleet.TeamID(n), id, ok1 && ok2 && ok3 && err == nil && len(id) == 2*tokenIDBytes
}

// invitedUser returns the account that has the person's password, or creates one.
func (a *Accounts) invitedUser(ctx context.Context, i fleet.Invitation, acceptance fleet.Acceptance) (user fleet.User, created bool, err error) {
	users, _, err := a.candidates(ctx, fleet.SignIn{Email: i.Email})
	if err != nil {
		return user, false, err
	}
	if len(users) > 0 && !acceptance.Another {
		who := prover{address: acceptance.Address, account: i.Email}
		user, err = a.prove(ctx, who, users, acceptance.Password,
			i.Email+" has an account: accept with its password, or ask for another account with new_account if that one is not yours")
		return user, false, err
	}
	user, err = a.createUser(ctx, fleet.User{Email: i.Email, Name: acceptance.Name}, acceptance.Password)
	return user, true, err
}

func badInvitation() error {
	return fleet.Errorf(fleet.Unauthenticated, "the invitation is not valid, or no longer valid: ask for another")
}
