package accounts

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

const ada = "ada@example.com"

// squatter returns the owner of a second team, who has made an account for ada.
func (w *world) squatter() fleet.Actor {
	w.t.Helper()
	chief := w.user("chief@example.org", fleet.Viewer)
	second := must[fleet.Team](w.t)(w.store.Teams.CreateTeam(w.t.Context(), fleet.Team{Name: "Second"}, chief))
	elsewhere := fleet.Actor{User: chief.User, Email: chief.Email, Team: second.ID, Role: fleet.Owner}
	must[fleet.Member](w.t)(w.AddUser(w.t.Context(), elsewhere, ada, newPassword, fleet.Viewer, nil))
	return elsewhere
}

func (w *world) as(password string, team fleet.TeamID) (fleet.Token, error) {
	_, token, err := w.SignIn(w.t.Context(), fleet.SignIn{Email: ada, Password: password, Team: team, Address: "192.0.2.7"})
	return token, err
}

// TestNobodyIsKeptOutByAnAccountWithTheirEmail: another team has made one and knows its password.
func TestNobodyIsKeptOutByAnAccountWithTheirEmail(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := settled(t)
	elsewhere := w.squatter()
	secret, _, err := w.Invite(ctx, boss, ada, fleet.Editor, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: password}); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("without asking for another account: got %v, want Unauthenticated", err)
	}
	if _, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: password, Another: true}); err != nil {
		t.Fatal(err)
	}
	mine, err := w.as(password, 0)
	if err != nil || mine.Team != 1 {
		t.Errorf("with her password: got team %d, %v, want 1", mine.Team, err)
	}
	theirs, err := w.as(newPassword, 0)
	if err != nil || theirs.Team != elsewhere.Team || theirs.User == mine.User {
		t.Errorf("with the other password: got team %d, user %d, %v, want the other team and user", theirs.Team, theirs.User, err)
	}
	for name, row := range map[string]struct {
		password string
		team     fleet.TeamID
	}{"her team with the other password": {newPassword, 1}, "the other team with her password": {password, elsewhere.Team}} {
		if _, err := w.as(row.password, row.team); !errors.Is(err, fleet.Unauthenticated) {
			t.Errorf("%s: got %v, want Unauthenticated", name, err)
		}
	}
	session, _, err := w.SignIn(ctx, fleet.SignIn{Email: ada, Password: newPassword})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ChangePassword(ctx, fleet.Actor{User: theirs.User, Team: elsewhere.Team, Role: fleet.Viewer}, fleet.NewPassword{Old: newPassword, New: "a third password", Keep: session}); err != nil {
		t.Fatal(err)
	}
	if !w.hasToken(mine.User, mine.ID) {
		t.Error("a new password of the other account ended her session")
	}
}

func TestAddingAUserSaysNothingAboutOtherTeams(t *testing.T) {
	t.Parallel()
	w := settled(t)
	w.squatter()
	if _, err := w.AddUser(t.Context(), boss, ada, password, fleet.Viewer, nil); err != nil {
		t.Errorf("an email that another team has: got %v, want that she is added", err)
	}
	if _, err := w.AddUser(t.Context(), boss, ada, "another password", fleet.Viewer, nil); !errors.Is(err, fleet.Conflict) {
		t.Errorf("again: got %v, want Conflict", err)
	}
	if users := must[[]fleet.User](t)(w.store.Teams.UsersByEmail(t.Context(), ada)); len(users) != 2 {
		t.Errorf("got %d accounts, want 2", len(users))
	}
}

func TestWithTheTeamAnAccountIsFoundAmongMany(t *testing.T) {
	t.Parallel()
	w := settled(t)
	for range 2 * maxCandidates {
		chief := must[fleet.User](t)(w.store.Teams.CreateUser(t.Context(), fleet.User{Email: "chief@example.org"}))
		team := must[fleet.Team](t)(w.store.Teams.CreateTeam(t.Context(), fleet.Team{Name: "Squat"}, fleet.Member{User: chief.ID, Email: chief.Email}))
		must[fleet.Member](t)(w.AddUser(t.Context(), fleet.Actor{User: chief.ID, Team: team.ID, Role: fleet.Owner}, ada, newPassword, fleet.Viewer, nil))
	}
	must[fleet.Member](t)(w.AddUser(t.Context(), boss, ada, password, fleet.Viewer, nil))
	if token, err := w.as(password, 1); err != nil || token.Team != 1 {
		t.Errorf("got %+v, %v, want a session in team 1", token, err)
	}
}

func TestResettingThePasswordOfOneOfManyNeedsItsNumber(t *testing.T) {
	t.Parallel()
	w := settled(t)
	w.squatter()
	added := must[fleet.Member](t)(w.AddUser(t.Context(), boss, ada, password, fleet.Viewer, nil))
	if err := w.ResetPassword(t.Context(), ada, "the new password"); !errors.Is(err, fleet.Conflict) {
		t.Errorf("by email: got %v, want Conflict", err)
	}
	if err := w.ResetPassword(t.Context(), added.User.String(), "the new password"); err != nil {
		t.Fatal(err)
	}
	if token, err := w.as("the new password", 0); err != nil || token.Team != 1 {
		t.Errorf("got %+v, %v, want a session in team 1", token, err)
	}
}
