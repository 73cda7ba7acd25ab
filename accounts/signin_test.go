//nolint:forbidigo // all sleeps are in synctest bubbles
package accounts

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// mark is that of a browser the owner signed in with.
func (w *world) mark() string {
	w.t.Helper()
	_, token, err := w.signIn(password)
	if err != nil {
		w.t.Fatal(err)
	}
	return must[string](w.t)(w.KnownBrowser(w.t.Context(), token.User))
}

func TestOnlyAMarkOfThisServerMakesABrowserKnown(t *testing.T) {
	t.Parallel()
	w := settled(t)
	owner := w.account(1)
	mark := w.mark()
	if knownBrowser(owner, mark, time.Now()) == "" {
		t.Fatal("the owner's own mark is not known")
	}
	other := owner
	other.ID = 2
	changed := owner
	changed.Password = w.account(1).Password + "x"
	parts := strings.Split(mark, ".")
	for _, row := range []struct {
		name string
		user fleet.User
		mark string
	}{
		{"none", owner, ""},
		{"another account's", other, mark},
		{"from before a new password", changed, mark},
		{"with another id", owner, "x." + parts[1] + "." + parts[2]},
		{"with another time", owner, parts[0] + ".zzzz." + parts[2]},
		{"too old", owner, markBrowser(owner, "x", time.Now().Add(-BrowserLifetime-time.Hour))},
		{"of a user without a password", fleet.User{ID: 1}, markBrowser(fleet.User{ID: 1}, "x", time.Now())},
		{"nonsense", owner, "a.b.c"},
	} {
		if id := knownBrowser(row.user, row.mark, time.Now()); id != "" {
			t.Errorf("%s: known as %q", row.name, id)
		}
	}
}

func TestFailedSignInsAreAuditedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settledInBubble(t)
		ctx, cancel := context.WithCancel(t.Context())
		watched := make(chan struct{})
		go func() { defer close(watched); w.WatchFailures(ctx) }()
		fail := func(n int) {
			for i := range n {
				_, _, _ = w.SignIn(t.Context(), fleet.SignIn{Email: boss.Email, Password: "a guess", Address: fmt.Sprintf("192.0.2.%d", 1+i/10)})
			}
		}
		entries := func() (found []string) {
			for _, e := range w.log(1) {
				if e.Action == "user.signin_failed" && e.Object == boss.Email && e.User == 0 {
					found = append(found, e.After)
				}
			}
			return found
		}
		fail(20)
		if got := entries(); len(got) != 1 || got[0] != `{"addresses":["192.0.2.1"],"attempts":1}` {
			t.Fatalf("at once: got %s, want one entry", got)
		}
		time.Sleep(2 * failureInterval)
		if got := entries(); len(got) != 2 || got[1] != `{"addresses":["192.0.2.1","192.0.2.2"],"attempts":19}` {
			t.Errorf("later: got %s, want a second entry with the rest", got)
		}
		fail(2)
		cancel()
		<-watched
		w.RecordFailures(t.Context())
		if got := entries(); len(got) != 4 {
			t.Errorf("at the end: got %s, want four entries", got)
		}
		if got := w.Stats().FailedSignIns; got != 22 {
			t.Errorf("%d failed sign-ins are counted, want 22", got)
		}
	})
}
