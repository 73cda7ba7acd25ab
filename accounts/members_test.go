package accounts

import (
	"context"
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestAMemberLeavesByThemselvesAndTheOwnerStays(t *testing.T) {
	t.Parallel()
	w := settled(t)
	m := w.user("holder@example.com", fleet.Viewer, 1)
	w.token(fleet.Token{ID: "t", Team: 1, User: m.User})
	if err := w.LeaveTeam(t.Context(), actorOf(m)); err != nil {
		t.Fatal(err)
	}
	if members, tokens := w.members(1), w.tokens(m.User); len(members) != 1 || len(tokens) != 0 {
		t.Errorf("got members %v, tokens %v, want the owner only and none", members, tokens)
	}
	log := w.log(1)
	if last := log[len(log)-1]; last.Action != "user.leave" || last.Object != "holder@example.com" {
		t.Errorf("audit: got %+v", last)
	}
	if err := w.LeaveTeam(t.Context(), boss); !errors.Is(err, fleet.Conflict) || len(w.members(1)) != 1 {
		t.Errorf("the owner: got %v, members %v, want a conflict", err, w.members(1))
	}
}

func TestGroupsOfMembersThatTheActorCanNotSeeAreLeftOut(t *testing.T) {
	t.Parallel()
	w := settled(t)
	a, b := w.group("a"), w.group("b")
	m := w.user("holder@example.com", fleet.Viewer, 1)
	must[fleet.Member](t)(w.EditMember(t.Context(), boss, m.Email, nil, &[]string{"b"}))
	members, err := w.Members(t.Context(), fleet.Actor{User: 5, Team: 1, Role: fleet.Editor, Groups: []fleet.GroupID{a}})
	if err != nil || len(members) != 2 || len(members[1].Groups) != 0 {
		t.Errorf("an editor of a: got %+v, %v", members, err)
	}
	members, err = w.Members(t.Context(), fleet.Actor{User: 5, Team: 1, Role: fleet.Editor, Groups: []fleet.GroupID{b}})
	if err != nil || len(members) != 2 || len(members[1].Groups) != 1 {
		t.Errorf("an editor of b: got %+v, %v", members, err)
	}
}

// TestEveryWriteAsks calls what takes a right with each role.
func TestEveryWriteAsks(t *testing.T) {
	t.Parallel()
	w := settled(t)
	w.group("a")
	type verdict struct{ owner, admin, editor, viewer error }
	owners, admins := verdict{nil, fleet.Denied, fleet.Denied, fleet.Denied}, verdict{nil, nil, fleet.Denied, fleet.Denied}
	add := func(email string, role fleet.Role) func(context.Context, fleet.Actor) error {
		return func(ctx context.Context, a fleet.Actor) error {
			_, err := w.AddUser(ctx, a, a.Role.String()+email, "long enough", role, []string{"a"})
			return err
		}
	}
	for name, row := range map[string]struct {
		call func(context.Context, fleet.Actor) error
		want verdict
	}{
		"create a team": {func(ctx context.Context, a fleet.Actor) error {
			_, err := w.CreateTeam(ctx, a, "Third")
			return err
		}, owners},
		"rename the team": {func(ctx context.Context, a fleet.Actor) error {
			_, err := w.RenameTeam(ctx, a, fleet.TeamEdit{Name: "Another"})
			return err
		}, owners},
		"add an editor": {add("e@example.com", fleet.Editor), admins},
		"add an admin":  {add("a@example.com", fleet.Admin), owners},
		"add a program": {func(ctx context.Context, a fleet.Actor) error {
			_, _, _, err := w.AddProgram(ctx, a, "robot", fleet.Viewer, nil, 0)
			return err
		}, admins},
	} {
		for who, as := range map[string]struct {
			role fleet.Role
			want error
		}{
			"owner": {fleet.Owner, row.want.owner}, "admin": {fleet.Admin, row.want.admin},
			"editor": {fleet.Editor, row.want.editor}, "viewer": {fleet.Viewer, row.want.viewer}, "stranger": {fleet.NoRole, fleet.NotFound},
		} {
			before := len(w.log(1))
			err := row.call(t.Context(), fleet.Actor{User: 1, Email: boss.Email, Team: 1, Role: as.role})
			if !errors.Is(err, as.want) {
				t.Errorf("%s, %s: got %v, want %v", name, who, err, as.want)
			}
			if n := len(w.log(1)); err != nil && n != before {
				t.Errorf("%s, %s: refused, but recorded in the audit log", name, who)
			}
		}
	}
}
