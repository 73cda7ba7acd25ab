package accounts

import (
	"context"
	"errors"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Tokens returns the actor's own tokens in this team, newest first, without hashes.
func (a *Accounts) Tokens(ctx context.Context, actor fleet.Actor) ([]fleet.Token, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return nil, err
	}
	return a.tokensOf(ctx, actor.Team, actor.User)
}

// TokensOf returns the tokens of the member with this email as Tokens does. Those of
// others require the right to see the audit log.
func (a *Accounts) TokensOf(ctx context.Context, actor fleet.Actor, email string) ([]fleet.Token, error) {
	m, err := a.member(ctx, actor, email)
	if err != nil {
		return nil, err
	}
	if m.User != actor.User {
		if err := actor.May(fleet.SeeAudit); err != nil {
			return nil, err
		}
	}
	return a.tokensOf(ctx, m.Team, m.User)
}

func (a *Accounts) tokensOf(ctx context.Context, team fleet.TeamID, user fleet.UserID) ([]fleet.Token, error) {
	tokens, err := a.teams.Tokens(ctx, team, user)
	for i := range tokens {
		tokens[i].Hash = [32]byte{}
	}
	return tokens, err
}

// RevokeToken ends a token and all that were made with it at once, given by its id or its secret: the actor's own, or, with
// the right to see the audit log, any of the team.
func (a *Accounts) RevokeToken(ctx context.Context, actor fleet.Actor, id string) error {
	if public, ok := tokenID(id); ok {
		id = public
	}
	t, err := a.teams.Token(ctx, id)
	if err != nil {
		return fleet.Hide(err, "no such token: %.40s", id)
	}
	if t.Team != actor.Team || t.User != actor.User && actor.May(fleet.SeeAudit) != nil {
		return fleet.Errorf(fleet.NotFound, "no such token: %.40s", id)
	}
	family, err := a.family(ctx, t)
	if err != nil {
		return err
	}
	for _, t := range family {
		if err := a.revoke(ctx, actor, t); err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	return nil
}

// family are t and the tokens made with it, and with those, the youngest first: should revoking
// end half-way, t is there to be revoked again.
func (a *Accounts) family(ctx context.Context, t fleet.Token) ([]fleet.Token, error) {
	tokens, err := a.teams.Tokens(ctx, t.Team, t.User)
	if err != nil {
		return nil, err
	}
	family := []fleet.Token{t}
	for i := 0; i < len(family); i++ {
		for _, child := range tokens {
			if child.Parent == family[i].ID {
				family = append(family, child)
			}
		}
	}
	slices.Reverse(family)
	return family, nil
}

// revoke ends one token and records it.
func (a *Accounts) revoke(ctx context.Context, actor fleet.Actor, t fleet.Token) error {
	if err := a.teams.DeleteToken(ctx, t.ID); err != nil {
		return fleet.Hide(err, "no such token: %.40s", t.ID)
	}
	a.audit.Record(ctx, actor, "token.revoke", t.ID, audit.Fields{"label": t.Label, "user": t.User}, nil)
	return nil
}
