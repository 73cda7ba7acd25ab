package registry

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const password = "correct horse"

// empty is a world nobody has set up yet.
func empty(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.teams, w.members = map[fleet.TeamID]fleet.Team{}, nil
	return w
}

func settled(t *testing.T) *world {
	t.Helper()
	w := empty(t)
	if made, err := w.Bootstrap(context.Background(), "Acme", " Owner@Example.com", password); err != nil || !made {
		t.Fatalf("bootstrap: %t, %v", made, err)
	}
	return w
}

func signIn(w *world, secret string) (string, fleet.Token, error) {
	return w.SignIn(context.Background(), fleet.SignIn{Email: "owner@example.com", Password: secret, Address: "192.0.2.1"})
}

func TestBootstrapOnce(t *testing.T) {
	w := settled(t)
	if u := w.users[1]; u.Email != "owner@example.com" || !strings.HasPrefix(u.Password, "$argon2id$v=19$m=64,t=2,p=1$") {
		t.Errorf("got user %+v", u)
	}
	if m := w.members[0]; m.Role != fleet.Owner || m.Email != "owner@example.com" {
		t.Errorf("got member %+v", m)
	}
	if made, err := w.Bootstrap(context.Background(), "Second", "x@example.com", password); made || err != nil || len(w.users) != 1 {
		t.Errorf("again: got %t, %v", made, err)
	}
}

func TestBootstrapGoesOnAfterACrash(t *testing.T) {
	w := settled(t)
	w.teams, w.members = map[fleet.TeamID]fleet.Team{}, nil // the user was made, the team was not
	if made, err := w.Bootstrap(context.Background(), "Acme", "owner@example.com", newPassword); !made || err != nil || len(w.users) != 1 || w.members[0].User != 1 {
		t.Errorf("got %t, %v, members %+v", made, err, w.members)
	}
	if _, _, err := signIn(w, newPassword); err != nil { // the start that ended told nobody its own
		t.Errorf("the password of the start that went on: got %v", err)
	}
}

func TestBootstrapRefuses(t *testing.T) {
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
		w := settled(t)
		secret, token, err := signIn(w, password)
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

func TestRightsAreReadAtEachRequest(t *testing.T) {
	ctx := context.Background()
	w := settled(t)
	secret, _, err := signIn(w, password)
	if err != nil {
		t.Fatal(err)
	}
	w.members[0].Role, w.members[0].Groups = fleet.Viewer, []fleet.GroupID{2}
	if a, err := w.Actor(ctx, secret); err != nil || a.Role != fleet.Viewer || len(a.Groups) != 1 {
		t.Errorf("after a change of role: got %+v, %v", a, err)
	}
	w.members = nil
	if _, err := w.Actor(ctx, secret); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("after leaving the team: got %v, want Unauthenticated", err)
	}
}

func TestRevokedTokensEnd(t *testing.T) {
	ctx := context.Background()
	w := settled(t)
	owner, _, _ := signIn(w, password)
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

func TestSignInsMakeRoomForTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t)
		first, _, _ := signIn(w, password)
		for range tokensAllowed {
			time.Sleep(time.Minute)
			if _, _, err := signIn(w, password); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Actor(context.Background(), first); !errors.Is(err, fleet.Unauthenticated) || len(w.tokens) != tokensAllowed {
			t.Errorf("the oldest sign-in gives way: got %v, %d tokens", err, len(w.tokens))
		}
	})
}

func TestTokensThatExpiredInOneTeamMakeRoomInAnother(t *testing.T) {
	w := settled(t)
	for _, id := range []string{"a", "b", "c"} { // as many as there may be
		w.tokens[id] = fleet.Token{ID: id, User: 1, Team: 2, Label: "CI", Expires: time.Now().Add(-time.Hour)}
	}
	if _, _, err := signIn(w, password); err != nil || len(w.tokens) != 1 {
		t.Errorf("got %v and %d tokens, want the new one alone", err, len(w.tokens))
	}
}

func TestADeletedTeamEndsTheTokensForIt(t *testing.T) {
	w := settled(t)
	w.tokens["here"] = fleet.Token{ID: "here", User: 1, Team: 1}
	w.tokens["elsewhere"] = fleet.Token{ID: "elsewhere", User: 1, Team: 2}
	if err := w.DeleteTeam(t.Context(), boss); err != nil {
		t.Fatal(err)
	}
	if _, left := w.tokens["here"]; left {
		t.Error("the token for the team is left")
	}
	if _, left := w.tokens["elsewhere"]; !left {
		t.Error("the token for another team has ended")
	}
}

func TestWrongProofsLookAlike(t *testing.T) {
	w := settled(t)
	_, _, wrong := signIn(w, "wrong password")
	_, _, unknown := w.SignIn(context.Background(), fleet.SignIn{Email: "nobody@example.com", Password: password})
	if !errors.Is(wrong, fleet.Unauthenticated) || wrong.Error() != unknown.Error() {
		t.Errorf("got %v and %v", wrong, unknown)
	}
	if _, _, err := w.SignIn(context.Background(), fleet.SignIn{Email: "owner@example.com", Password: password, Team: 7}); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("another team: got %v, want Unauthenticated", err)
	}
}

func TestFailedSignInsAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t)
		for range 30 { // right ones cost nothing
			if _, _, err := signIn(w, password); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 10 {
			if _, _, err := signIn(w, "wrong password"); !errors.Is(err, fleet.Unauthenticated) {
				t.Fatalf("try %d: got %v, want Unauthenticated", i+1, err)
			}
		}
		if _, _, err := signIn(w, password); !errors.Is(err, fleet.Busy) {
			t.Errorf("after 10 wrong ones: got %v, want Busy, even for the right password", err)
		}
		if _, _, err := w.SignIn(context.Background(), fleet.SignIn{Email: "owner@example.com", Password: password, Address: "192.0.2.2"}); err != nil {
			t.Errorf("from another address: %v", err)
		}
		time.Sleep(time.Minute + time.Second)
		if _, _, err := signIn(w, password); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

func TestLimiterForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		for i := range maxKeys + 10 {
			l.take(strings.Repeat("k", i%7)+time.Duration(i).String(), 1, time.Hour)
		}
		if len(l.full) > maxKeys {
			t.Errorf("got %d keys, want at most %d", len(l.full), maxKeys)
		}
	})
}

func TestHashersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(Config{HashMemory: 64, Hashers: 1, HashQueue: 1})
		h.cores <- struct{}{} // one hashes
		h.queue <- struct{}{}
		ctx, cancel := context.WithCancel(context.Background())
		waited := make(chan error)
		go func() {
			_, err := h.hash(ctx, password)
			waited <- err
		}()
		synctest.Wait()
		if _, err := h.hash(context.Background(), password); !errors.Is(err, fleet.Busy) {
			t.Errorf("a third one: got %v, want Busy", err)
		}
		cancel()
		if err := <-waited; !errors.Is(err, fleet.Busy) {
			t.Errorf("the waiting one, given up: got %v, want Busy", err)
		}
	})
}

func TestMembers(t *testing.T) {
	ctx := context.Background()
	w := settled(t)
	w.groups = map[fleet.GroupID]fleet.Group{1: {ID: 1, Team: 1, Name: "a"}}
	owner := fleet.Actor{User: 1, Email: "owner@example.com", Team: 1, Role: fleet.Owner}
	if _, err := w.AddUser(ctx, owner, "ed@example.com", password, fleet.Editor, []string{"nope"}); !errors.Is(err, fleet.Invalid) {
		t.Errorf("unknown group: got %v", err)
	}
	m, err := w.AddUser(ctx, owner, "Ed@example.com", password, fleet.Editor, []string{"a"})
	if err != nil || m.Email != "ed@example.com" || len(m.Groups) != 1 {
		t.Fatalf("got %+v, %v", m, err)
	}
	if _, err := w.AddUser(ctx, owner, "ed@example.com", password, fleet.Editor, nil); !errors.Is(err, fleet.Conflict) {
		t.Errorf("an account is never given a password by someone else: got %v", err)
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
	if err := w.RemoveMember(ctx, admin, "ed@example.com"); err != nil || len(w.members) != 1 {
		t.Errorf("got %v, members %+v", err, w.members)
	}
}

func TestSlugs(t *testing.T) {
	for name, want := range map[string]string{
		"Smart Lamp": "smart-lamp", "  Ünï 2 ": "uni-2", "A/B--C": "a-b-c", "": "", "--": "", "lamp_2.0": "lamp-2-0",
		"Straße": "strasse", "Лампа": "lampa", "灯": "deng", strings.Repeat("a", fleet.MaxSlug-1) + " b": strings.Repeat("a", fleet.MaxSlug-1),
	} {
		if got := slugOf(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
