//nolint:forbidigo // all sleeps are in synctest bubbles
package accounts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

func TestBootstrapOnce(t *testing.T) {
	t.Parallel()
	w := settled(t)
	if u := w.account(1); u.Email != "owner@example.com" || !strings.HasPrefix(u.Password, "$argon2id$v=19$m=64,t=2,p=1$") {
		t.Errorf("got user %+v", u)
	}
	if m := w.members(1)[0]; m.Role != fleet.Owner || m.Email != "owner@example.com" {
		t.Errorf("got member %+v", m)
	}
	if made, err := w.Bootstrap(t.Context(), "Second", "x@example.com", password); made || err != nil {
		t.Errorf("again: got %t, %v", made, err)
	}
	if users, err := w.store.Teams.UsersByEmail(t.Context(), "x@example.com"); len(users) > 0 || err != nil {
		t.Errorf("again: got users %+v, %v, want none", users, err)
	}
}

func TestBootstrapContinuesAfterACrash(t *testing.T) {
	t.Parallel()
	w := empty(t)
	if _, err := w.createUser(t.Context(), fleet.User{Email: boss.Email}, password); err != nil { // the team was not created
		t.Fatal(err)
	}
	made, err := w.Bootstrap(t.Context(), "Acme", "owner@example.com", newPassword)
	if !made || err != nil {
		t.Fatalf("got %t, %v", made, err)
	}
	if members := w.members(1); len(members) != 1 || members[0].User != 1 {
		t.Errorf("got members %+v, want the first user", members)
	}
	if _, _, err := w.signIn(newPassword); err != nil { // nobody has seen the password of the start that ended
		t.Errorf("the password of the second start: got %v", err)
	}
}

func TestBootstrapRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ email, password string }{
		"no email": {"", password}, "no host": {"me@", password}, "white space": {"a b@c", password},
		"short password": {"a@b", "short"}, "long password": {"a@b", strings.Repeat("x", 257)},
	} {
		if made, err := empty(t).Bootstrap(context.Background(), "Acme", row.email, row.password); made || !errors.Is(err, fleet.Invalid) {
			t.Errorf("%s: got %t, %v, want Invalid", name, made, err)
		}
	}
}

func TestTokensWorkUntilTheyDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		w := settledInBubble(t)
		secret, token, err := w.signIn(password)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(secret, "mst_"+token.ID+"_") || len(secret) != len("mst_")+12+1+43 {
			t.Errorf("got secret %q of token %s", secret, token.ID)
		}
		a, err := w.Actor(ctx, secret)
		if err != nil || a.Email != "owner@example.com" || a.Role != fleet.Owner || a.Team != 1 {
			t.Errorf("got %+v, %v", a, err)
		}
		for name, bad := range map[string]string{
			"empty": "", "id alone": "mst_" + token.ID, "other random part": secret[:len(secret)-1] + "!", "unknown id": "mst_000000000000" + secret[16:],
		} {
			if _, err := w.Actor(ctx, bad); !errors.Is(err, fleet.Unauthenticated) {
				t.Errorf("%s: got %v, want Unauthenticated", name, err)
			}
		}
		time.Sleep(w.config.TokenLifetime - time.Second)
		if _, err := w.Actor(ctx, secret); err != nil {
			t.Errorf("just before the end: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := w.Actor(ctx, secret); !errors.Is(err, fleet.Unauthenticated) {
			t.Errorf("after the end: got %v, want Unauthenticated", err)
		}
	})
}

func TestATokenShowsItsLastUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		w := settledInBubble(t)
		secret, token, err := w.signIn(password)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now().UTC()
		for _, row := range []struct {
			after   time.Duration
			address string
			used    time.Duration // shown, since the beginning
			from    string
		}{
			{0, "192.0.2.1", 0, "192.0.2.1"},
			{59 * time.Minute, "192.0.2.1", 0, "192.0.2.1"}, // a write per hour is enough
			{59 * time.Second, "192.0.2.1", 0, "192.0.2.1"},
			{time.Second, "192.0.2.1", time.Hour, "192.0.2.1"},
			{59 * time.Second, "198.51.100.7", time.Hour, "192.0.2.1"}, // two clients in turn are a write per minute
			{time.Second, "198.51.100.7", 61 * time.Minute, "198.51.100.7"},
		} {
			time.Sleep(row.after)
			who, err := w.ActorFrom(ctx, secret, row.address)
			if err != nil || who.Address != row.address || who.Token != token.ID {
				t.Fatalf("got %+v, %v", who, err)
			}
			if got := w.tokens(1)[0]; !got.Used.Equal(begin.Add(row.used)) || got.From != row.from {
				t.Errorf("after %s: got %s from %s, want %s from %s", time.Since(begin), got.Used.Sub(begin), got.From, row.used, row.from)
			}
		}
	})
}

func TestAUseDoesNotBringARevokedTokenBack(t *testing.T) {
	t.Parallel()
	w := settled(t)
	_, token, err := w.signIn(password)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Teams.DeleteToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	w.used(t.Context(), token, "192.0.2.1") // by a request that had read it before
	if _, err := w.store.Teams.Token(t.Context(), token.ID); !errors.Is(err, fleet.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
}

func TestRightsAreReadAtEachRequest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := settled(t)
	secret, _, err := w.signIn(password)
	if err != nil {
		t.Fatal(err)
	}
	b := w.group("b")
	_, err = w.store.Teams.EditMember(ctx, 1, 1, func(m *fleet.Member) error {
		m.Role, m.Groups = fleet.Viewer, []fleet.GroupID{b}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := w.Actor(ctx, secret); err != nil || a.Role != fleet.Viewer || len(a.Groups) != 1 {
		t.Errorf("after a change of role: got %+v, %v", a, err)
	}
	if err := w.store.Teams.RemoveMember(ctx, 1, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Actor(ctx, secret); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("after leaving the team: got %v, want Unauthenticated", err)
	}
}

func TestRevokedTokensEnd(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := settled(t)
	owner, _, _ := w.signIn(password)
	a, err := w.Actor(ctx, owner)
	if err != nil {
		t.Fatal(err)
	}
	secret, token, err := w.NewToken(ctx, a, "CI", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	stranger := fleet.Actor{User: 77, Team: 1, Role: fleet.Editor}
	if err := w.RevokeToken(ctx, stranger, token.ID); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another's token: got %v, want NotFound", err)
	}
	if err := w.RevokeToken(ctx, fleet.Actor{User: 78, Team: 1, Role: fleet.Admin}, token.ID); err != nil {
		t.Errorf("an admin: %v", err)
	}
	if _, err := w.Actor(ctx, secret); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("revoked: got %v", err)
	}
	if err := w.SignOut(ctx, a, owner); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Actor(ctx, owner); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("signed out: got %v", err)
	}
}

func TestASignInMakesRoomAmongTooManyTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settledInBubble(t)
		most := w.fill(time.Now().Add(time.Hour))
		oldest := w.tokens(1)[most-1].ID
		if _, _, err := w.signIn(password); err != nil {
			t.Fatal(err)
		}
		if n := len(w.tokens(1)); w.hasToken(1, oldest) || n != most {
			t.Errorf("none expired: the oldest session is still there: %t; got %d tokens, want %d", w.hasToken(1, oldest), n, most)
		}
		time.Sleep(time.Hour)
		_, token, err := w.SignIn(t.Context(), fleet.SignIn{Email: boss.Email, Password: password, Lifetime: time.Minute})
		if tokens := w.tokens(1); err != nil || len(tokens) != 2 || tokens[0].ID != token.ID { // the two of these sign-ins
			t.Errorf("the others expired: got %v and %d tokens, want the two of the sign-ins", err, len(tokens))
		}
	})
}

func TestADeletedTeamEndsTheTokensForIt(t *testing.T) {
	t.Parallel()
	w := settled(t)
	w.token(fleet.Token{ID: "here", User: 1, Team: 1})
	w.token(fleet.Token{ID: "elsewhere", User: 1, Team: 2})
	if err := w.DeleteTeam(t.Context(), boss); err != nil {
		t.Fatal(err)
	}
	if w.hasToken(1, "here") {
		t.Error("the token for the team is left")
	}
	if !w.hasToken(1, "elsewhere") {
		t.Error("the token for another team has ended")
	}
}

func TestWrongProofsLookAlike(t *testing.T) {
	t.Parallel()
	w := settled(t)
	_, _, wrong := w.signIn("wrong password")
	_, _, unknown := w.SignIn(context.Background(), fleet.SignIn{Email: "nobody@example.com", Password: password})
	if !errors.Is(wrong, fleet.Unauthenticated) || wrong.Error() != unknown.Error() {
		t.Errorf("got %v and %v", wrong, unknown)
	}
	if _, _, err := w.SignIn(context.Background(), fleet.SignIn{Email: "owner@example.com", Password: password, Team: 7}); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("another team: got %v, want Unauthenticated", err)
	}
}

func TestNoTokenLivesForever(t *testing.T) {
	t.Parallel()
	w := settled(t)
	const longest = 366 * 24 * time.Hour
	if _, _, err := w.NewToken(t.Context(), boss, "CI", longest); err != nil {
		t.Errorf("of the longest lifetime: %v", err)
	}
	var e *fleet.Error
	if _, _, err := w.NewToken(t.Context(), boss, "CI", longest+time.Second); !errors.As(err, &e) || e.Field != "expires_in" {
		t.Errorf("of a longer one: got %v, want expires_in refused", err)
	}
	if _, _, _, err := w.AddProgram(t.Context(), boss, "CI", fleet.Viewer, nil, 10*longest); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a program's: got %v, want Invalid", err)
	}
	if _, _, err := w.SignIn(t.Context(), fleet.SignIn{Email: boss.Email, Password: password, Lifetime: 10 * longest}); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a sign-in's: got %v, want Invalid", err)
	}
}

func TestTheAuditLogSaysWithWhichTokenAndFromWhere(t *testing.T) {
	t.Parallel()
	w := settled(t)
	secret, session, err := w.SignIn(t.Context(), fleet.SignIn{Email: boss.Email, Password: password, Address: "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	me := must[fleet.Actor](t)(w.Actor(t.Context(), secret))
	me.Address = "192.0.2.8" // as REST and the console do
	if _, _, err := w.NewToken(t.Context(), me, "CI", 0); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range w.log(1) {
		if e.Action == "token.create" {
			got = append(got, e.From+" "+e.Token)
		}
	}
	if want := []string{"192.0.2.7 ", "192.0.2.8 " + session.ID}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAChildNeverOutlivesItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		w := settledInBubble(t)
		parent, p, err := w.SignIn(ctx, fleet.SignIn{Email: boss.Email, Password: password, Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		make := func(with string, lifetime time.Duration) (string, fleet.Token) {
			t.Helper()
			secret, token, err := w.NewChild(ctx, boss, with, "CI", lifetime)
			if err != nil {
				t.Fatal(err)
			}
			return secret, token
		}
		child, long := make(parent, 1000*time.Hour)
		_, usual := make(parent, 0)
		_, short := make(parent, time.Minute)
		grandchild, _ := make(child, 0)
		for name, token := range map[string]fleet.Token{"a long one": long, "the default": usual} {
			if token.Expires.After(p.Expires) {
				t.Errorf("%s ends at %s, after its parent at %s", name, token.Expires, p.Expires)
			}
		}
		if got := short.Expires.Sub(short.Created); got != time.Minute {
			t.Errorf("a short one lives for %s, want a minute", got)
		}
		own, _, err := w.NewToken(ctx, boss, "a person's own", 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.RevokeToken(ctx, boss, p.ID); err != nil {
			t.Fatal(err)
		}
		for name, secret := range map[string]string{"parent": parent, "child": child, "grandchild": grandchild} {
			if _, err := w.Actor(ctx, secret); !errors.Is(err, fleet.Unauthenticated) {
				t.Errorf("the %s after the parent was revoked: got %v, want Unauthenticated", name, err)
			}
		}
		if _, err := w.Actor(ctx, own); err != nil {
			t.Errorf("another token: %v", err)
		}
		if _, _, err := w.NewChild(ctx, boss, parent, "CI", 0); !errors.Is(err, fleet.Unauthenticated) {
			t.Errorf("a child of a revoked token: got %v, want Unauthenticated", err)
		}
	})
}

func TestMembers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := settled(t)
	w.group("a")
	owner := fleet.Actor{User: 1, Email: "owner@example.com", Team: 1, Role: fleet.Owner}
	if _, err := w.AddUser(ctx, owner, "ed@example.com", password, fleet.Editor, []string{"nope"}); !errors.Is(err, fleet.Invalid) {
		t.Errorf("unknown group: got %v", err)
	}
	m, err := w.AddUser(ctx, owner, "Ed@example.com", password, fleet.Editor, []string{"a"})
	if err != nil || m.Email != "ed@example.com" || len(m.Groups) != 1 {
		t.Fatalf("got %+v, %v", m, err)
	}
	if _, err := w.AddUser(ctx, owner, "ed@example.com", password, fleet.Editor, nil); !errors.Is(err, fleet.Conflict) {
		t.Errorf("an account of someone else gets no password: got %v", err)
	}
	if _, err := w.AddUser(ctx, owner, "boss@example.com", password, fleet.Owner, nil); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a second owner: got %v", err)
	}
	if _, err := w.EditMember(ctx, owner, "ed@example.com", ptr(fleet.Owner), nil); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a second owner by an edit: got %v", err)
	}
	if _, err := w.EditMember(ctx, owner, "owner@example.com", ptr(fleet.Viewer), nil); !errors.Is(err, fleet.Conflict) {
		t.Errorf("the owner steps down: got %v", err)
	}
	admin := fleet.Actor{User: 3, Team: 1, Role: fleet.Admin}
	if _, err := w.EditMember(ctx, admin, "ed@example.com", ptr(fleet.Admin), nil); !errors.Is(err, fleet.Denied) {
		t.Errorf("an admin makes admins: got %v", err)
	}
	m, err = w.EditMember(ctx, admin, "ed@example.com", ptr(fleet.Viewer), &[]string{})
	if err != nil || m.Role != fleet.Viewer || len(m.Groups) != 0 {
		t.Errorf("got %+v, %v", m, err)
	}
	if err := w.RemoveMember(ctx, admin, "owner@example.com"); !errors.Is(err, fleet.Conflict) {
		t.Errorf("the owner is removed: got %v", err)
	}
	if err := w.RemoveMember(ctx, admin, "ed@example.com"); err != nil || len(w.members(1)) != 1 {
		t.Errorf("got %v, members %+v", err, w.members(1))
	}
}

// A viewer who creates tokens without end must not wash out the audit log.
func TestTokensThatAUserCreatesAreLimited(t *testing.T) {
	t.Parallel()
	w := settled(t)
	owner, _, _ := w.signIn(password)
	viewer, err := w.Actor(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	viewer.Role = fleet.Viewer
	refused := 0
	for range tokenBurst + 5 {
		if _, _, err := w.NewToken(t.Context(), viewer, "script", time.Hour); errors.Is(err, fleet.Busy) {
			refused++
		}
	}
	if refused < 4 || refused > 5 {
		t.Errorf("got %d tokens refused, want the 5 above the limit", refused)
	}
}
