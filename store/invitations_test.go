package store

import (
	"errors"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// TestAnInvitationIsAcceptedOnce follows invitations from being made to being accepted,
// replaced and taken back.
func TestAnInvitationIsAcceptedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, _ := newTeam(t, s)
		eu := got[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "eu"}))
		us := got[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "us"}))
		user := got[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: "new@example.com"}))
		invite := func(id string, groups ...fleet.GroupID) error {
			return s.Teams.Invite(ctx, fleet.Invitation{ID: id, Team: team.ID, Email: user.Email, Role: fleet.Editor, Groups: groups, Expires: time.Now()})
		}
		if err := invite("first", 999); !errors.Is(err, fleet.NotFound) {
			t.Errorf("an unknown group: got %v, want NotFound", err)
		}
		for _, id := range []string{"first", "second"} {
			if err := invite(id, eu.ID, us.ID); err != nil {
				t.Fatal(err)
			}
		}
		if open := got[[]fleet.Invitation](t)(s.Teams.Invitations(ctx, team.ID)); len(open) != 1 || open[0].ID != "second" {
			t.Errorf("got %+v, want the second invitation alone", open)
		}
		if err := s.Teams.DeleteGroup(ctx, team.ID, us.ID); err != nil {
			t.Fatal(err)
		}
		m := fleet.Member{Team: team.ID, User: user.ID, Email: user.Email}
		if _, err := s.Teams.AcceptInvitation(ctx, "first", m); !errors.Is(err, fleet.NotFound) {
			t.Errorf("a replaced invitation: got %v, want NotFound", err)
		}
		m = got[fleet.Member](t)(s.Teams.AcceptInvitation(ctx, "second", m))
		if m.Role != fleet.Editor || len(m.Groups) != 1 || m.Groups[0] != eu.ID {
			t.Errorf("got %+v, want an editor of the group that is left", m)
		}
		if _, err := s.Teams.AcceptInvitation(ctx, "second", m); !errors.Is(err, fleet.NotFound) {
			t.Errorf("accepted again: got %v, want NotFound", err)
		}
		if err := s.Teams.Uninvite(ctx, team.ID, "second"); !errors.Is(err, fleet.NotFound) {
			t.Errorf("taken back after it was accepted: got %v, want NotFound", err)
		}
	})
}
