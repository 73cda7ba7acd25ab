package api

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Team is a team of the caller's.
type Team struct {
	ID      uint32     `json:"id"`
	Name    string     `json:"name"`
	Role    string     `json:"role,omitempty" doc:"The caller's role in it"`
	Created *time.Time `json:"created_at,omitempty"`
}

// TeamList is the caller's teams, oldest first.
type TeamList struct {
	Teams []Team `json:"teams"`
}

// NewTeam asks for a team.
type NewTeam struct {
	Name string `json:"name"`
}

func (s *server) teams() {
	add(s, route{id: "ListTeams", method: http.MethodGet, path: "/v1/teams", summary: "Teams I am a member of", tag: "team", access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, _ *struct{}) (*reply[TeamList], error) {
			accounts, err := s.Teams(ctx, who)
			out := TeamList{Teams: []Team{}}
			for _, a := range accounts {
				out.Teams = append(out.Teams, Team{ID: uint32(a.Team.ID), Name: a.Team.Name, Role: a.Role.String(), Created: moment(a.Team.Created)})
			}
			return answer(out, err)
		})
	add(s, route{id: "CreateTeam", method: http.MethodPost, path: "/v1/teams", summary: "Create a further team, as its owner", tag: "team", status: http.StatusCreated, access: needs(fleet.OwnTeam),
		example: `{"name":"Acme"}`},
		func(ctx context.Context, who fleet.Actor, in *struct{ Input[NewTeam] }) (*reply[Team], error) {
			t, err := s.CreateTeam(ctx, who, in.In.Name)
			return answer(shownTeam(t, fleet.Owner), err)
		})
	const one = "/v1/team"
	add(s, route{id: "GetTeam", method: http.MethodGet, path: one, summary: "The team this token is for", tag: "team", access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, _ *struct{}) (*tagged[Team], error) {
			a, err := s.Account(ctx, who)
			return answerTagged(a.Team.Tag(), shownTeam(a.Team, a.Role), err)
		})
	add(s, route{id: "UpdateTeam", method: http.MethodPut, path: one, summary: "Rename the team", tag: "team", access: needs(fleet.OwnTeam), errors: []int{http.StatusPreconditionFailed}, example: `{"name":"Acme"}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			IfMatch
			Input[NewTeam]
		}) (*tagged[Team], error) {
			t, err := s.RenameTeam(ctx, who, fleet.TeamEdit{Name: in.In.Name, If: in.seen})
			return answerTagged(t.Tag(), shownTeam(t, who.Role), err)
		})
	add(s, route{id: "DeleteTeam", method: http.MethodDelete, path: one, summary: "Delete the team, which has no products any more", tag: "team", access: needs(fleet.OwnTeam), errors: []int{http.StatusConflict}},
		func(ctx context.Context, who fleet.Actor, _ *struct{}) (*none, error) {
			return nil, s.DeleteTeam(ctx, who)
		})
	add(s, route{id: "HandOverTeam", method: http.MethodPut, path: one + "/owner", summary: "Make a member the owner; you become an admin", tag: "team", access: needs(fleet.OwnTeam), errors: []int{http.StatusNotFound, http.StatusConflict},
		example: `{"email":"ada@example.com"}`},
		func(ctx context.Context, who fleet.Actor, in *struct{ Input[NewOwner] }) (*none, error) {
			return nil, about(s.HandOver(ctx, who, in.In.Email), "", "email")
		})
	add(s, route{id: "LeaveTeam", method: http.MethodPost, path: one + "/leave", summary: "Leave the team; my tokens for it end", tag: "team", access: needs(fleet.SeeTeam), errors: []int{http.StatusConflict}},
		func(ctx context.Context, who fleet.Actor, _ *struct{}) (*none, error) {
			return nil, s.LeaveTeam(ctx, who)
		})
	s.auditLog()
}

// NewOwner names a member.
type NewOwner struct {
	Email string `json:"email"`
}

func shownTeam(t fleet.Team, role fleet.Role) Team {
	return Team{ID: uint32(t.ID), Name: t.Name, Role: role.String(), Created: moment(t.Created)}
}

// AuditEntry says who changed what, from what to what.
type AuditEntry struct {
	ID     string     `json:"id"`
	At     *time.Time `json:"at"`
	Email  string     `json:"email" doc:"Who did it"`
	Action string     `json:"action" example:"device.update"`
	Object string     `json:"object" doc:"Id or name of what it was done to"`
	Before Payload    `json:"before" doc:"null: there was nothing"`
	After  Payload    `json:"after" doc:"null: nothing is left"`
}

func (s *server) auditLog() {
	add(s, route{id: "ListAudit", method: http.MethodGet, path: "/v1/team/audit", summary: "Every write, newest first", tag: "team", access: needs(fleet.SeeAudit)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			Cursors
			Search string `query:"search" doc:"Part of anything in the entry, whatever the case"`
			Email  string `query:"email" doc:"Who did it"`
			Action string `query:"action" doc:"What was done, or its first word" example:"device"`
			Object string `query:"object" doc:"What it was done to"`
		}) (*reply[Page[AuditEntry]], error) {
			q := fleet.AuditQuery{Text: in.Search, Email: in.Email, Action: in.Action, Object: in.Object, After: in.PageNextToken, Limit: in.PageLimit}
			entries, next, err := s.AuditLog(ctx, who, q)
			shown := make([]AuditEntry, 0, len(entries))
			for _, e := range entries {
				shown = append(shown, AuditEntry{ID: e.Cursor, At: moment(e.At), Email: e.Email, Action: e.Action, Object: e.Object, Before: orNull(e.Before), After: orNull(e.After)})
			}
			return answer(page(shown, next), err)
		})
}

func orNull(text string) Payload {
	if text == "" {
		return Payload("null")
	}
	return Payload(text)
}
