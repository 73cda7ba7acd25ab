package accounts

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/storetest"
)

const (
	password    = "correct horse"
	newPassword = "staple battery horse"
)

// The actors of these tests: boss is the owner that settled creates, admin has no account.
var (
	boss  = fleet.Actor{User: 1, Email: "owner@example.com", Team: 1, Role: fleet.Owner}
	admin = fleet.Actor{User: 99, Email: "admin@example.com", Team: 1, Role: fleet.Admin}
)

// world holds Accounts and the store they are on.
type world struct {
	*Accounts
	t     testing.TB
	store *store.Store
}

// empty returns a world without teams and users.
func empty(t testing.TB) *world { return over(t, storetest.Open(t)) }

func over(t testing.TB, s *store.Store) *world {
	quiet := slog.New(slog.DiscardHandler)
	return &world{t: t, store: s, Accounts: New(Config{Teams: s.Teams, Audit: audit.New(s.Messages, quiet), HashMemory: 64})}
}

// settled returns a world with team 1 and its owner, user 1.
func settled(t testing.TB) *world { return empty(t).settle() }

// settledInBubble does what settled does, in a synctest bubble.
func settledInBubble(t testing.TB) *world { return over(t, storetest.InMemory(t)).settle() }

func (w *world) settle() *world {
	t := w.t
	t.Helper()
	if created, err := w.Bootstrap(t.Context(), "Acme", " Owner@Example.com", password); err != nil || !created {
		t.Fatalf("bootstrap: %t, %v", created, err)
	}
	return w
}

// must returns v and fails the test on an error.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ptr[T any](v T) *T { return &v }

// signIn signs the owner in with a password.
func (w *world) signIn(password string) (string, fleet.Token, error) {
	return w.SignIn(w.t.Context(), fleet.SignIn{Email: boss.Email, Password: password, Address: "192.0.2.1"})
}

// signedIn returns the secret of a session of the owner, and them as an actor.
func (w *world) signedIn() (secret string, me fleet.Actor) {
	w.t.Helper()
	secret, _, err := w.signIn(password)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret, must[fleet.Actor](w.t)(w.Actor(w.t.Context(), secret))
}

// user creates an account without a password, with a membership in the given teams.
func (w *world) user(email string, role fleet.Role, teams ...fleet.TeamID) fleet.Member {
	w.t.Helper()
	u := must[fleet.User](w.t)(w.store.Teams.CreateUser(w.t.Context(), fleet.User{Email: email}))
	m := fleet.Member{User: u.ID, Email: email, Role: role}
	for _, m.Team = range teams {
		if err := w.store.Teams.AddMember(w.t.Context(), m); err != nil {
			w.t.Fatal(err)
		}
	}
	return m
}

func (w *world) group(name string) fleet.GroupID {
	w.t.Helper()
	return must[fleet.Group](w.t)(w.store.Teams.CreateGroup(w.t.Context(), fleet.Group{Team: 1, Name: name})).ID
}

func (w *world) members(team fleet.TeamID) []fleet.Member {
	w.t.Helper()
	return must[[]fleet.Member](w.t)(w.store.Teams.Members(w.t.Context(), team))
}

func (w *world) account(id fleet.UserID) fleet.User {
	w.t.Helper()
	return must[fleet.User](w.t)(w.store.Teams.User(w.t.Context(), id))
}

// token creates a token directly in the store.
func (w *world) token(t fleet.Token) {
	w.t.Helper()
	if err := w.store.Teams.CreateToken(w.t.Context(), t); err != nil {
		w.t.Fatal(err)
	}
}

// tokens returns the user's tokens in all teams.
func (w *world) tokens(user fleet.UserID) []fleet.Token {
	w.t.Helper()
	return must[[]fleet.Token](w.t)(w.store.Teams.Tokens(w.t.Context(), 0, user))
}

func (w *world) hasToken(user fleet.UserID, id string) bool {
	w.t.Helper()
	return slices.ContainsFunc(w.tokens(user), func(t fleet.Token) bool { return t.ID == id })
}

// log returns the newest entries of a team's audit log, oldest first.
func (w *world) log(team fleet.TeamID) []fleet.AuditEntry {
	w.t.Helper()
	entries, _, err := w.store.Messages.AuditLog(w.t.Context(), team, "", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(entries)
	return entries
}

// fill gives the owner as many sessions as a user may have, in two teams, and returns their
// number. The first one is the newest.
func (w *world) fill(expires time.Time) (n int) {
	w.t.Helper()
	t := fleet.Token{User: 1, Label: signInLabel, Created: time.Now(), Expires: expires}
	for ; ; n++ {
		t.ID, t.Team, t.Created = fmt.Sprint(n), fleet.TeamID(1+n%2), t.Created.Add(-time.Minute)
		err := w.store.Teams.CreateToken(w.t.Context(), t)
		if errors.Is(err, fleet.Busy) {
			return n
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}
