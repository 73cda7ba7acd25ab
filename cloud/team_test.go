package cloud_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// TestATeamFromInvitationToHandover is the life of a team over REST alone.
func TestATeamFromInvitationToHandover(t *testing.T) {
	t.Parallel()
	w := serve(t)
	ctx := t.Context()
	cloudtest.Must[api.Group](t)(w.CreateGroup(ctx, cloudtest.Lamp, "beta", ""))
	added := cloudtest.Must[api.AddedUser](t)(w.AddUser(ctx, api.NewUser{Email: "Ada@example.com", Role: "editor", Groups: api.Names{"*"}}))
	if added.Status != "invited" || len(added.Groups) != 1 || added.Invitation == nil || !strings.HasSuffix(added.Invitation.Link, "#"+added.Invitation.Token) {
		t.Fatalf("got %+v, want an invitation with all groups", added)
	}
	base := w.URL("")
	ada := client.New(base, "")
	cloudtest.Must[api.Token](t)(ada.Accept(ctx, api.Acceptance{Token: added.Invitation.Token, Password: "a password of her own"}))
	if users := cloudtest.Must[[]api.TeamUser](t)(w.Users(ctx)); len(users) != 2 || users[1].Email != "ada@example.com" || users[1].Status != "active" {
		t.Errorf("got %+v", users)
	}
	if _, err := ada.AddUser(ctx, api.NewUser{Email: "x@example.com", Role: "viewer"}); !errors.Is(err, fleet.Denied) {
		t.Errorf("an editor invites: got %v, want Denied", err)
	}
	robot := cloudtest.Must[api.AddedUser](t)(w.AddUser(ctx, api.NewUser{Name: "CI", Role: "viewer"}))
	if products := cloudtest.Must[[]api.Product](t)(client.New(base, robot.Token.AccessToken).Products(ctx)); len(products) != 1 {
		t.Errorf("the program sees %+v", products)
	}
	token := cloudtest.Must[api.Token](t)(ada.CreateToken(ctx, api.NewToken{Label: "laptop"}))
	if tokens := cloudtest.Must[[]api.TokenInfo](t)(ada.Tokens(ctx, "")); len(tokens) != 2 || tokens[0].Label != "laptop" {
		t.Errorf("got %+v, want the new token first", tokens)
	}
	if err := w.RevokeToken(ctx, token.ID); err != nil { // the owner ends another's
		t.Error(err)
	}
	if err := w.HandOver(ctx, "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	if team := cloudtest.Must[api.Team](t)(ada.RenameTeam(ctx, "Analytical Engines")); team.Role != "owner" {
		t.Errorf("got %+v, want Ada to own it", team)
	}
	if _, err := w.RenameTeam(ctx, "Mine again"); !errors.Is(err, fleet.Denied) {
		t.Errorf("the owner of before renames: got %v, want Denied", err)
	}
	if err := ada.RemoveUser(ctx, cloudtest.OwnerEmail); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Products(ctx); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("after being removed: got %v, want Unauthenticated", err)
	}
	log := cloudtest.Must[api.Page[api.AuditEntry]](t)(ada.Audit(ctx, api.AuditFilter{Search: "hand_over"}))
	if len(log.Items) != 1 || log.Items[0].Email != cloudtest.OwnerEmail || !strings.Contains(string(log.Items[0].After), "ada@example.com") {
		t.Errorf("got %+v, want who handed over to whom", log.Items)
	}
}
