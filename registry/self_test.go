package registry

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

const newPassword = "staple battery horse"

func TestAChangedPasswordEndsAllOtherTokens(t *testing.T) {
	w := settled(t)
	w.users[2] = fleet.User{ID: 2, Email: "other@example.com"}
	w.tokens["theirs"] = fleet.Token{ID: "theirs", User: 2, Team: 1}
	mine, _, err := signIn(w, password)
	if err != nil {
		t.Fatal(err)
	}
	me, err := w.Actor(t.Context(), mine)
	if err != nil {
		t.Fatal(err)
	}
	w.members = append(w.members, fleet.Member{Team: 2, User: me.User, Email: me.Email, Role: fleet.Editor}) // a second team
	elsewhere, _, err := w.SignIn(t.Context(), fleet.SignIn{Email: me.Email, Password: password, Team: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ChangePassword(t.Context(), me, fleet.NewPassword{Old: password, New: newPassword, Keep: mine}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Actor(t.Context(), mine); err != nil {
		t.Errorf("the token that asked: got %v", err)
	}
	if _, err := w.Actor(t.Context(), elsewhere); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("a token for another team: got %v, want Unauthenticated", err)
	}
	if _, there := w.tokens["theirs"]; !there {
		t.Error("another user's token ended")
	}
	if _, _, err := signIn(w, password); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("the old password: got %v, want Unauthenticated", err)
	}
	delete(w.tokens, "theirs") // the fake has few places
	if _, _, err := signIn(w, newPassword); err != nil {
		t.Errorf("the new password: got %v", err)
	}
	for _, e := range w.log {
		if e.Action == "user.password" && e.Before == "" && e.After == "" && e.Email == me.Email {
			return
		}
	}
	t.Error("the change is not in the audit log, or with more than that it was made")
}

func TestAPasswordIsChangedOnlyByWhoKnowsIt(t *testing.T) {
	w := settled(t)
	mine, _, err := signIn(w, password)
	if err != nil {
		t.Fatal(err)
	}
	me, _ := w.Actor(t.Context(), mine) // it has just been made
	before := w.users[me.User].Password
	change := func(old, fresh string) error {
		return w.ChangePassword(t.Context(), me, fleet.NewPassword{Old: old, New: fresh, Keep: mine, Address: "192.0.2.9"})
	}
	for name, err := range map[string]error{"wrong": change("wrong password", newPassword), "empty": change("", newPassword), "short": change(password, "short")} {
		if !errors.Is(err, fleet.Invalid) {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
	for range 20 {
		err = change("wrong password", newPassword)
	}
	if !errors.Is(err, fleet.Busy) {
		t.Errorf("after many wrong proofs: got %v, want Busy", err)
	}
	if err := change(password, newPassword); !errors.Is(err, fleet.Busy) {
		t.Errorf("the right one then: got %v, want Busy", err)
	}
	if w.users[me.User].Password != before {
		t.Error("the password was changed")
	}
	w.users[me.User] = fleet.User{ID: me.User, Email: "ci" + programHost}
	if err := change("", newPassword); !errors.Is(err, fleet.Conflict) {
		t.Errorf("a program: got %v, want Conflict", err)
	}
}

// swift is where users live while the password is changed between the check of the old one
// and the making of a token.
type swift struct {
	teamsFake
	change func()
}

func (s swift) CreateToken(ctx context.Context, token fleet.Token) error {
	s.change()
	return s.teamsFake.CreateToken(ctx, token)
}

func TestALostPasswordIsReplacedAndEndsEveryToken(t *testing.T) {
	w := settled(t)
	mine, _, err := signIn(w, password)
	if err != nil {
		t.Fatal(err)
	}
	me, err := w.Actor(t.Context(), mine)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ResetPassword(t.Context(), "nobody@example.com", newPassword); !errors.Is(err, fleet.NotFound) {
		t.Errorf("nobody's: got %v, want NotFound", err)
	}
	if err := w.ResetPassword(t.Context(), me.Email, "short"); !errors.Is(err, fleet.Invalid) {
		t.Errorf("an unfit one: got %v, want Invalid", err)
	}
	if err := w.ResetPassword(t.Context(), " "+strings.ToUpper(me.Email), newPassword); err != nil {
		t.Fatal(err)
	}
	if last := w.log[len(w.log)-1]; last.Action != "user.password" || last.Object != me.Email || last.User != 0 || last.Team != 1 {
		t.Errorf("the audit log ends with %+v", last)
	}
	if _, err := w.Actor(t.Context(), mine); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("a token of before: got %v, want Unauthenticated", err)
	}
	if _, _, err := signIn(w, password); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("the old password: got %v, want Unauthenticated", err)
	}
	if _, _, err := signIn(w, newPassword); err != nil {
		t.Errorf("the new password: got %v", err)
	}
	w.users[9] = fleet.User{ID: 9, Email: "ci+1@programs.muster"}
	if err := w.ResetPassword(t.Context(), "ci+1@programs.muster", newPassword); !errors.Is(err, fleet.Conflict) {
		t.Errorf("a program's: got %v, want Conflict", err)
	}
}

func TestASignInThatIsOvertakenByANewPasswordLeavesNoToken(t *testing.T) {
	w := settled(t)
	w.Registry.teams = swift{teamsFake{w}, func() {
		u := w.users[1]
		u.Password = "another hash"
		w.users[1] = u
	}}
	if secret, _, err := signIn(w, password); !errors.Is(err, fleet.Unauthenticated) || secret != "" || len(w.tokens) != 0 {
		t.Errorf("got %q, %v, %d tokens; want Unauthenticated and none", secret, err, len(w.tokens))
	}
}

func TestAMemberLeavesByThemselvesAndTheOwnerStays(t *testing.T) {
	w := newWorld(t)
	w.tokens["t"] = fleet.Token{ID: "t", Team: 1, User: 9}
	holder := fleet.Actor{User: 9, Email: "holder@example.com", Team: 1, Role: fleet.Viewer}
	if err := w.LeaveTeam(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	if len(w.members) != 0 || len(w.tokens) != 0 {
		t.Errorf("got members %v, tokens %v, want none", w.members, w.tokens)
	}
	if last := w.log[len(w.log)-1]; last.Action != "user.leave" || last.Object != "holder@example.com" {
		t.Errorf("audit: got %+v", last)
	}
	w.members = []fleet.Member{{Team: 1, User: 5, Email: "me@example.com", Role: fleet.Owner}}
	if err := w.LeaveTeam(t.Context(), actor(fleet.Owner)); !errors.Is(err, fleet.Conflict) || len(w.members) != 1 {
		t.Errorf("the owner: got %v, members %v, want a conflict", err, w.members)
	}
}
