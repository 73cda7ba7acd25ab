package registry

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// inTwoTeams is a person with a session in team 1, who is an editor in team 2, too.
func inTwoTeams(t *testing.T, w *world) (me fleet.Actor, secret string) {
	t.Helper()
	ctx := context.Background()
	me = fleet.Actor{User: 5, Email: "me@example.com", Team: 1, Role: fleet.Admin}
	here := fleet.Member{Team: 1, User: 5, Email: me.Email, Role: fleet.Admin}
	w.members = append(w.members, here, fleet.Member{Team: 2, User: 5, Email: me.Email, Role: fleet.Editor})
	secret, _, err := w.newToken(ctx, here, SignInLabel, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return me, secret
}

func TestSwitchingTheTeamTakesNoPasswordAndEndsTheOldSession(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	me, secret := inTwoTeams(t, w)
	renewed, token, err := w.Switch(ctx, me, secret, 2)
	if err != nil {
		t.Fatal(err)
	}
	there, err := w.Actor(ctx, renewed)
	if err != nil || there.Team != 2 || there.Role != fleet.Editor {
		t.Errorf("got %+v, %v; want an editor in team 2", there, err)
	}
	if left := time.Until(token.Expires); left > time.Hour {
		t.Errorf("the new session lasts %s, the old one had an hour left", left)
	}
	if _, err := w.Actor(ctx, secret); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("the old session: got %v, want it ended", err)
	}
	last := w.log[len(w.log)-2:]
	if last[0].Action != "token.create" || last[0].Team != 2 || last[1].Action != "token.revoke" || last[1].Team != 1 {
		t.Errorf("the logs say %+v", last)
	}
}

func TestOnlyASessionOfAPersonSwitchesAndOnlyToTheirTeams(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	me, secret := inTwoTeams(t, w)
	program, _, err := w.NewToken(ctx, me, "ci", 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		secret string
		team   fleet.TeamID
		want   error
	}{
		"a team they are not in":    {secret, 3, fleet.NotFound},
		"no team":                   {secret, 0, fleet.NotFound},
		"a token made for a script": {program, 2, fleet.Denied},
		"a made-up secret":          {"mst_made_up", 2, fleet.Unauthenticated},
	} {
		if _, _, err := w.Switch(ctx, me, row.secret, row.team); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
	}
	if _, _, err := w.NewToken(ctx, me, SignInLabel, 0); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a token labelled like a sign-in: got %v, want it refused", err)
	}
}
