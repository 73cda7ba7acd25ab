//nolint:forbidigo // all sleeps are in synctest bubbles
package accounts

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

func TestAnInvitationMakesAnAccountWithAPasswordOfItsOwn(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := settled(t)
	w.group("a")
	w.group("b")
	secret, i, err := w.Invite(ctx, admin, " New@example.com ", fleet.Editor, []string{"*"})
	if err != nil || i.Email != "new@example.com" || len(i.Groups) != 2 {
		t.Fatalf("got %+v, %v, want an invitation with all groups", i, err)
	}
	if open, err := w.Invitations(ctx, admin); err != nil || len(open) != 1 || open[0].Hash != [32]byte{} {
		t.Errorf("got %+v, %v, want it without its hash", open, err)
	}
	for name, wrong := range map[string]string{"another secret": secret[:len(secret)-1] + "!", "nonsense": "msi_1", "a token": "mst_0"} {
		if _, _, err := w.Accept(ctx, fleet.Acceptance{Secret: wrong, Password: password}); !errors.Is(err, fleet.Unauthenticated) {
			t.Errorf("%s: got %v, want Unauthenticated", name, err)
		}
	}
	if _, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: "short"}); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a short password: got %v, want Invalid", err)
	}
	token, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: password, Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := w.Actor(ctx, token); err != nil || a.Role != fleet.Editor || len(a.Groups) != 2 || a.Email != "new@example.com" {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: password}); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("accepted again: got %v, want Unauthenticated", err)
	}
}

func TestAnExistingAccountKeepsItsPassword(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := settled(t)
	chief := w.user("chief@example.com", fleet.Viewer)
	second := must[fleet.Team](t)(w.store.Teams.CreateTeam(ctx, fleet.Team{Name: "Second"}, chief))
	elsewhere := fleet.Actor{User: chief.User, Team: second.ID, Role: fleet.Admin}
	secret, _, err := w.Invite(ctx, elsewhere, "owner@example.com", fleet.Viewer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: "another good password"}); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("another password: got %v, want Unauthenticated", err)
	}
	token, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := w.Actor(ctx, token); err != nil || a.Team != second.ID || a.Role != fleet.Viewer {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestWhoMayInviteWhom(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, row := range map[string]struct {
		actor fleet.Actor
		email string
		role  fleet.Role
		want  error
	}{
		"an admin invites an editor":    {admin, "x@example.com", fleet.Editor, nil},
		"an admin invites an admin":     {admin, "x@example.com", fleet.Admin, fleet.Denied},
		"the owner invites an admin":    {boss, "x@example.com", fleet.Admin, nil},
		"the owner invites an owner":    {boss, "x@example.com", fleet.Owner, fleet.Invalid},
		"without a role":                {boss, "x@example.com", fleet.NoRole, fleet.Invalid},
		"an editor":                     {fleet.Actor{Team: 1, Role: fleet.Editor}, "x@example.com", fleet.Viewer, fleet.Denied},
		"someone who is in the team":    {boss, "owner@example.com", fleet.Viewer, fleet.Conflict},
		"an address of programs":        {boss, "x@api.muster", fleet.Viewer, fleet.Invalid},
		"no address":                    {boss, "x", fleet.Viewer, fleet.Invalid},
		"an admin replaces an admin's":  {admin, "chief@example.com", fleet.Viewer, fleet.Denied},
		"the owner replaces an admin's": {boss, "chief@example.com", fleet.Viewer, nil},
	} {
		w := settled(t)
		if _, _, err := w.Invite(ctx, boss, "chief@example.com", fleet.Admin, nil); err != nil {
			t.Fatal(err)
		}
		_, _, err := w.Invite(ctx, row.actor, row.email, row.role, nil)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
	}
}

func TestInvitationsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		w := settledInBubble(t)
		secret, _, err := w.Invite(ctx, boss, "late@example.com", fleet.Viewer, nil)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := w.Invite(ctx, boss, "back@example.com", fleet.Viewer, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.RemoveMember(ctx, fleet.Actor{Team: 1, Role: fleet.Viewer}, "back@example.com"); !errors.Is(err, fleet.NotFound) {
			t.Errorf("a viewer takes one back: got %v, want NotFound", err)
		}
		if err := w.RemoveMember(ctx, admin, "back@example.com"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(invitationLifetime)
		for name, secret := range map[string]string{"expired": secret, "taken back": back} {
			if _, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: password}); !errors.Is(err, fleet.Unauthenticated) {
				t.Errorf("%s: got %v, want Unauthenticated", name, err)
			}
		}
	})
}

func TestStrangersUseUpNoTriesOfAnInvitation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		w := settledInBubble(t)
		secret, _, err := w.Invite(ctx, boss, "new@example.com", fleet.Viewer, nil)
		if err != nil {
			t.Fatal(err)
		}
		guess := func(address int) error {
			wrong, _ := newInvitationSecret(1)
			_, _, err := w.Accept(ctx, fleet.Acceptance{Secret: wrong, Password: password, Address: fmt.Sprint(address)})
			return err
		}
		for address := range 200 {
			if err := guess(address); !errors.Is(err, fleet.Unauthenticated) {
				t.Fatalf("a guess: got %v, want Unauthenticated", err)
			}
		}
		for range 30 {
			err = guess(0)
		}
		if !errors.Is(err, fleet.Busy) {
			t.Errorf("many guesses of one address: got %v, want Busy", err)
		}
		if _, _, err := w.Accept(ctx, fleet.Acceptance{Secret: secret, Password: password, Address: "elsewhere"}); err != nil {
			t.Errorf("the invited person: %v", err)
		}
	})
}

func TestOwnershipIsHandedOver(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := settled(t)
	if _, err := w.AddUser(ctx, boss, "next@example.com", password, fleet.Viewer, nil); err != nil {
		t.Fatal(err)
	}
	robot, _, _, err := w.AddProgram(ctx, boss, "CI robot", fleet.Editor, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.HandOver(ctx, boss, robot.Email); !errors.Is(err, fleet.Invalid) {
		t.Errorf("to a program: got %v, want Invalid", err)
	}
	if err := w.HandOver(ctx, admin, "next@example.com"); !errors.Is(err, fleet.Denied) {
		t.Errorf("by an admin: got %v, want Denied", err)
	}
	if err := w.HandOver(ctx, boss, "next@example.com"); err != nil {
		t.Fatal(err)
	}
	roles := map[string]fleet.Role{}
	for _, m := range w.members(1) {
		roles[m.Email] = m.Role
	}
	if roles["next@example.com"] != fleet.Owner || roles["owner@example.com"] != fleet.Admin {
		t.Errorf("got %v, want the next one as the owner and the first as an admin", roles)
	}
}

func TestAProgramSignsInByItsOneToken(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := settled(t)
	robot, secret, token, err := w.AddProgram(ctx, admin, "CI robot", fleet.Editor, nil, 0)
	if err != nil || !robot.Program || token.Expires.Sub(token.Created) != programLifetime {
		t.Fatalf("got %+v, %+v, %v", robot, token, err)
	}
	if a, err := w.Actor(ctx, secret); err != nil || a.Role != fleet.Editor || a.Email != robot.Email {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, _, err := w.SignIn(ctx, fleet.SignIn{Email: robot.Email, Password: ""}); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("by password: got %v, want Unauthenticated", err)
	}
	_, second, _, err := w.RotateProgram(ctx, admin, robot.Email, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Actor(ctx, secret); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("the first token after the second: got %v, want Unauthenticated", err)
	}
	if err := w.RemoveMember(ctx, admin, robot.Email); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Actor(ctx, second); !errors.Is(err, fleet.Unauthenticated) {
		t.Errorf("after it was removed: got %v, want Unauthenticated", err)
	}
	if _, _, _, err := w.RotateProgram(ctx, boss, "owner@example.com", 0); !errors.Is(err, fleet.Conflict) {
		t.Errorf("a person: got %v, want Conflict", err)
	}
}
