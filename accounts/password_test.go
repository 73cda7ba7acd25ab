package accounts

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/muster-iot/muster/fleet"
)

func TestAChangedPasswordEndsAllOtherTokens(t *testing.T) {
	t.Parallel()
	w := settled(t)
	other := w.user("other@example.com", fleet.Viewer)
	w.token(fleet.Token{ID: "theirs", User: other.User, Team: 1})
	mine, me := w.signedIn()
	second := must[fleet.Team](t)(w.CreateTeam(t.Context(), boss, "Second"))
	elsewhere, _, err := w.SignIn(t.Context(), fleet.SignIn{Email: me.Email, Password: password, Team: second.ID})
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
	if !w.hasToken(other.User, "theirs") {
		t.Error("another user's token ended")
	}
	if _, _, err := w.signIn(password); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("the old password: got %v, want Unauthenticated", err)
	}
	if _, _, err := w.signIn(newPassword); err != nil {
		t.Errorf("the new password: got %v", err)
	}
	recorded := slices.ContainsFunc(w.log(1), func(e fleet.AuditEntry) bool {
		return e.Action == "user.password" && e.Before == "" && e.After == "" && e.Email == me.Email
	})
	if !recorded {
		t.Error("the change is not in the audit log, or with more than that it was made")
	}
}

func TestAPasswordIsChangedOnlyByWhoKnowsIt(t *testing.T) {
	t.Parallel()
	w := settled(t)
	mine, me := w.signedIn()
	before := w.account(me.User).Password
	change := func(old, fresh string) error {
		return w.ChangePassword(t.Context(), me, fleet.NewPassword{Old: old, New: fresh, Keep: mine, Address: "192.0.2.9"})
	}
	for name, err := range map[string]error{"wrong": change("wrong password", newPassword), "empty": change("", newPassword), "short": change(password, "short")} {
		if !errors.Is(err, fleet.Invalid) {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
	var err error
	for range 20 {
		err = change("wrong password", newPassword)
	}
	if !errors.Is(err, fleet.Busy) {
		t.Errorf("after many wrong proofs: got %v, want Busy", err)
	}
	if err := change(password, newPassword); !errors.Is(err, fleet.Busy) {
		t.Errorf("the right one then: got %v, want Busy", err)
	}
	if w.account(me.User).Password != before {
		t.Error("the password was changed")
	}
	w.setHash(me.User, "")
	if err := change("", newPassword); !errors.Is(err, fleet.Conflict) {
		t.Errorf("a program: got %v, want Conflict", err)
	}
}

// setHash writes the encoded password of a user to the store.
func (w *world) setHash(user fleet.UserID, hash string) {
	w.t.Helper()
	must[fleet.User](w.t)(w.store.Teams.EditUser(w.t.Context(), user, func(u *fleet.User) error {
		u.Password = hash
		return nil
	}))
}

func TestALostPasswordIsReplacedAndEndsEveryToken(t *testing.T) {
	t.Parallel()
	w := settled(t)
	mine, me := w.signedIn()
	if err := w.ResetPassword(t.Context(), "nobody@example.com", newPassword); !errors.Is(err, fleet.NotFound) {
		t.Errorf("nobody's: got %v, want NotFound", err)
	}
	if err := w.ResetPassword(t.Context(), me.Email, "short"); !errors.Is(err, fleet.Invalid) {
		t.Errorf("one out of bounds: got %v, want Invalid", err)
	}
	if err := w.ResetPassword(t.Context(), " "+strings.ToUpper(me.Email), newPassword); err != nil {
		t.Fatal(err)
	}
	if log := w.log(1); !slices.ContainsFunc(log, func(e fleet.AuditEntry) bool {
		return e.Action == "user.password" && e.Object == me.Email && e.User == 0 && e.Team == 1
	}) {
		t.Errorf("the audit log is %+v", log)
	}
	if _, err := w.Actor(t.Context(), mine); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("a token of before: got %v, want Unauthenticated", err)
	}
	if _, _, err := w.signIn(password); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("the old password: got %v, want Unauthenticated", err)
	}
	if _, _, err := w.signIn(newPassword); err != nil {
		t.Errorf("the new password: got %v", err)
	}
	program := w.user("ci+1@programs.muster", fleet.Viewer)
	if err := w.ResetPassword(t.Context(), program.Email, newPassword); !errors.Is(err, fleet.Conflict) {
		t.Errorf("a program's: got %v, want Conflict", err)
	}
}

func TestASignInThatIsOvertakenByANewPasswordLeavesNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settledInBubble(t)
		free := w.takeCore() // the sign-in waits here, after it has read the account
		done := make(chan struct{})
		var secret string
		var err error
		go func() {
			defer close(done)
			secret, _, err = w.signIn(password)
		}()
		synctest.Wait()
		w.setHash(1, "another hash")
		free()
		<-done
		if tokens := w.tokens(1); !errors.Is(err, fleet.Unauthenticated) || secret != "" || len(tokens) != 0 {
			t.Errorf("got %q, %v, %d tokens; want Unauthenticated and none", secret, err, len(tokens))
		}
	})
}
