package registry

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Tokens are the actor's own tokens in this team, newest first, without hashes.
func (r *Registry) Tokens(ctx context.Context, actor fleet.Actor) ([]fleet.Token, error) {
	if err := may(actor, fleet.SeeTeam); err != nil {
		return nil, err
	}
	return r.tokensOf(ctx, fleet.Member{Team: actor.Team, User: actor.User})
}

// TokensOf are the tokens of one member, by email; those of others take the right to see
// them.
func (r *Registry) TokensOf(ctx context.Context, actor fleet.Actor, email string) ([]fleet.Token, error) {
	m, err := r.member(ctx, actor, email)
	if err != nil {
		return nil, err
	}
	if m.User != actor.User {
		if err := may(actor, fleet.SeeAudit); err != nil {
			return nil, err
		}
	}
	return r.tokensOf(ctx, m)
}

func (r *Registry) tokensOf(ctx context.Context, m fleet.Member) ([]fleet.Token, error) {
	tokens, err := r.teams.Tokens(ctx, m.Team, m.User)
	for i := range tokens {
		tokens[i].Hash = [32]byte{}
	}
	return tokens, err
}

// RevokeToken ends a token at once, named by its id or its secret: one's own, or with the
// right to see the tokens of others any of the team.
func (r *Registry) RevokeToken(ctx context.Context, actor fleet.Actor, id string) error {
	if public, ok := tokenID(id); ok {
		id = public
	}
	t, err := r.teams.Token(ctx, id)
	if err != nil {
		return hidden(err, "no such token: %.40s", id)
	}
	if t.Team != actor.Team || t.User != actor.User && may(actor, fleet.SeeAudit) != nil {
		return fleet.Errorf(fleet.NotFound, "no such token: %.40s", id)
	}
	if err := r.teams.DeleteToken(ctx, id); err != nil {
		return hidden(err, "no such token: %.40s", id)
	}
	r.audit.Record(ctx, actor, "token.revoke", id, audit.Fields{"label": t.Label, "user": t.User}, nil)
	return nil
}

// SignOut ends the token with this secret.
func (r *Registry) SignOut(ctx context.Context, actor fleet.Actor, secret string) error {
	t, err := r.token(ctx, secret)
	if err != nil {
		return err
	}
	return r.RevokeToken(ctx, actor, t.ID)
}

// sweep makes room where a user has all the tokens they may have, in all teams together:
// those that expired go, or else the oldest one of a sign-in.
func (r *Registry) sweep(ctx context.Context, user fleet.UserID) error {
	tokens, err := r.teams.Tokens(ctx, 0, user)
	if err != nil {
		return err
	}
	var gone []fleet.Token
	for _, t := range tokens { // newest first
		if !t.Expires.IsZero() && !time.Now().Before(t.Expires) {
			gone = append(gone, t)
		}
	}
	for i := len(tokens) - 1; i >= 0 && len(gone) == 0; i-- {
		if tokens[i].Label == SignInLabel {
			gone = tokens[i : i+1]
		}
	}
	for _, t := range gone {
		if err := r.teams.DeleteToken(ctx, t.ID); err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	return nil
}

// AuditLog is a page of the team's audit log, as audit.Log.Page.
func (r *Registry) AuditLog(ctx context.Context, actor fleet.Actor, q fleet.AuditQuery) (page []fleet.AuditEntry, next string, err error) {
	return r.audit.Page(ctx, actor, q)
}
