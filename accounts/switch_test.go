package accounts

import (
	"errors"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// inTwoTeams returns a person with a session in team 1, who is also an editor in team 2.
func inTwoTeams(w *world) (me fleet.Actor, secret string) {
	w.t.Helper()
	must[fleet.Team](w.t)(w.CreateTeam(w.t.Context(), boss, "Second"))
	m := w.user("me@example.com", fleet.Editor, 2)
	m.Team, m.Role = 1, fleet.Admin
	if err := w.store.Teams.AddMember(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
	secret, _, err := w.newToken(w.t.Context(), actorOf(m), "", signInLabel, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return actorOf(m), secret
}

func TestSwitchingTheTeamTakesNoPasswordAndEndsTheOldSession(t *testing.T) {
	t.Parallel()
	w, ctx := settled(t), t.Context()
	me, secret := inTwoTeams(w)
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
	for team, want := range map[fleet.TeamID]string{1: "token.revoke", 2: "token.create"} {
		log := w.log(team)
		if last := log[len(log)-1]; last.Action != want || last.Email != me.Email {
			t.Errorf("team %d: the log ends with %+v, want %s", team, last, want)
		}
	}
}

func TestOnlyASessionOfAPersonSwitchesAndOnlyToTheirTeams(t *testing.T) {
	t.Parallel()
	w, ctx := settled(t), t.Context()
	me, secret := inTwoTeams(w)
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
	if _, _, err := w.NewToken(ctx, me, signInLabel, 0); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a token labelled like a sign-in: got %v, want it refused", err)
	}
}
