//go:build browser && !race

package browsertest

import (
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// An invited person sees where they are and gets to the sign-in by the page itself.
func TestInvitationLeadsToTheSignIn(t *testing.T) {
	w := serve(t)
	secret, _, err := w.Cloud.Accounts().Invite(t.Context(), owner, "new@example.com", fleet.Editor, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := browse(t, w)
	const page = "/v1/invitation"
	b.visit(page)
	b.waitText("This link is incomplete.")
	for _, look := range windows {
		b.setWindow(look)
		b.visit("/sign-in") // the fragment alone loads nothing
		b.visit(page + "#" + secret)
		b.waitText("Join Team")
		b.waitText("owner@example.com invites new@example.com to the team Team, as editor. The invitation is valid until")
		check(b, page, look)
	}
	if broken := violations(b); len(broken) > 0 {
		t.Errorf("%s: %q", page, broken)
	}
	b.fill("[name=password]", "short")
	b.press("Accept")
	b.waitText("at least 10 characters")
	b.waitVisible("#said")
	b.fill("[name=password]", cloudtest.OwnerPassword)
	b.press("Accept")
	b.waitText("You joined Team as editor. Sign in as new@example.com with this password.")
	b.shot("invitation-accepted")
	tokens, err := w.Cloud.Accounts().TokensOf(t.Context(), owner, "new@example.com")
	if err != nil || len(tokens) != 0 {
		t.Errorf("%d tokens are left behind, error %v", len(tokens), err)
	}
	b.press("Sign in")
	b.waitVisible("[name=email]")
	b.signInByForm("new@example.com", cloudtest.OwnerPassword)
}
