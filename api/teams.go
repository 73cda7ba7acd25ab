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
	add(s, route{id: "CreateTeam", method: http.MethodPost, path: "/v1/teams", summary: "Create a further team, as its owner", tag: "team", status: http.StatusCreated, access: needs(fleet.OwnTeam)},
		func(ctx context.Context, who fleet.Actor, in *struct{ Input[NewTeam] }) (*reply[Team], error) {
			t, err := s.CreateTeam(ctx, who, in.In.Name)
			return answer(Team{ID: uint32(t.ID), Name: t.Name, Role: fleet.Owner.String(), Created: moment(t.Created)}, err)
		})
}
