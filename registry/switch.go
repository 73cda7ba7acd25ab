package registry

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Switch turns the session a person signed in to, named by its secret, into one in another
// of their teams, which ends when the first would have: no proof is asked for again. It
// returns fleet.NotFound for a team they are not in, and fleet.Denied for a token that no
// sign-in made: a program's token is for its one team.
func (r *Registry) Switch(ctx context.Context, actor fleet.Actor, secret string, team fleet.TeamID) (string, fleet.Token, error) {
	old, err := r.token(ctx, secret)
	if err != nil {
		return "", old, err
	}
	if old.User != actor.User || old.Team != actor.Team {
		return "", old, badToken()
	}
	if old.Label != SignInLabel {
		return "", old, fleet.Errorf(fleet.Denied, "this token is for one team: sign in with your password to switch")
	}
	m, err := r.teams.Member(ctx, team, actor.User)
	if errors.Is(err, fleet.NotFound) {
		return "", old, fleet.Errorf(fleet.NotFound, "you are in no such team")
	}
	if err != nil {
		return "", old, err
	}
	there := fleet.Actor{User: m.User, Email: m.Email, Team: m.Team, Role: m.Role, Groups: m.Groups}
	if err := fleet.May(there, fleet.SeeTeam, fleet.Object{Team: team}); err != nil {
		return "", old, err
	}
	lifetime := time.Duration(0)
	if !old.Expires.IsZero() {
		lifetime = time.Until(old.Expires)
	}
	renewed, t, err := r.newToken(ctx, m, SignInLabel, lifetime)
	if err != nil {
		return "", t, err
	}
	return renewed, t, r.RevokeToken(ctx, actor, old.ID)
}
