package accounts

import (
	"context"

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

// RevokeToken ends a token at once, given by its id or its secret: the actor's own, or, with
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
	if err := a.teams.DeleteToken(ctx, id); err != nil {
		return fleet.Hide(err, "no such token: %.40s", id)
	}
	a.audit.Record(ctx, actor, "token.revoke", id, audit.Fields{"label": t.Label, "user": t.User}, nil)
	return nil
}
