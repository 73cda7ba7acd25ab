package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// TeamUser is one user of the team, or one who is invited.
type TeamUser struct {
	Email   string     `json:"email"`
	Role    string     `json:"role" enum:"owner,admin,editor,viewer"`
	Groups  []string   `json:"groups" doc:"Names of their groups, as far as you may see them"`
	Program bool       `json:"program" doc:"It is a program, which signs in by its token"`
	Status  string     `json:"status" enum:"active,invited"`
	Joined  *time.Time `json:"joined_at" doc:"null while invited"`
	Expires *time.Time `json:"expires_at,omitempty" doc:"Until when an invitation can be accepted"`
}

// TeamUsers is the users of the team, and to who may invite, the open invitations.
type TeamUsers struct {
	Users []TeamUser `json:"users"`
}

// NewUser takes someone into the team. Without a password it is an invitation.
type NewUser struct {
	Email    string `json:"email,omitempty"`
	Role     string `json:"role" enum:"admin,editor,viewer"`
	Groups   Names  `json:"groups,omitempty" doc:"Their groups, by name; \"*\" for all that the team has now"`
	Password string `json:"password,omitempty" doc:"For a new account only; absent: the person sets it when accepting the invitation"`
	Name     string `json:"friendly_name,omitempty" doc:"In the place of email: a program of this name, with a token of its own"`
	Lifetime uint32 `json:"expires_in,omitempty" doc:"Of a program: seconds its token lives; absent: a year"`
}

// AddedUser is what came of a NewUser: one of an account, an invitation and a program.
type AddedUser struct {
	TeamUser
	Invitation *Invitation `json:"invitation,omitempty" doc:"Pass it on to the person invited"`
	Token      *Token      `json:"token,omitempty" doc:"Of a program"`
}

// Invitation is how an invited person takes their place, once.
type Invitation struct {
	Link    string     `json:"link" doc:"A page to accept it at"`
	Token   string     `json:"token" doc:"For POST /v1/invitations/accept. Shown this once"`
	Expires *time.Time `json:"expires_at"`
}

// UserUpdate changes a user of the team. What is absent stays as it is.
type UserUpdate struct {
	Role   string          `json:"role,omitempty" enum:"admin,editor,viewer"`
	Groups Optional[Names] `json:"groups,omitzero" doc:"All their groups; \"*\" for all that the team has now"`
}

// UserPath names a user of the team.
type UserPath struct {
	Email string `path:"email" example:"me@example.com"`
}

// Origin is embedded in inputs that answer with a link back to this server.
type Origin struct{ base string }

// Resolve notes by what address the caller reached the server; huma calls it.
func (o *Origin) Resolve(ctx huma.Context) []error {
	scheme := "http"
	if ctx.TLS() != nil || ctx.Header("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	o.base = scheme + "://" + ctx.Host()
	return nil
}

func (s *server) users() {
	const tag, all, one = "team", "/v1/team/users", "/v1/team/users/{email}"
	add(s, route{id: "ListTeamUsers", method: http.MethodGet, path: all, summary: "Users of the team, and open invitations", tag: tag, access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, _ *struct{}) (*reply[TeamUsers], error) {
			users, err := s.teamUsers(ctx, who)
			return answer(TeamUsers{users}, err)
		})
	add(s, route{id: "AddTeamUser", method: http.MethodPost, path: all, summary: "Invite a person, make an account, or make a program", tag: tag, status: http.StatusCreated, access: needs(fleet.ManageUsers),
		errors: []int{http.StatusConflict}, example: `{"email":"ada@example.com","role":"editor","groups":["beta"]}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			Origin
			Input[NewUser]
		}) (*reply[AddedUser], error) {
			out, err := s.addUser(ctx, who, in.In, in.base)
			return answer(out, err)
		})
	add(s, route{id: "GetTeamUser", method: http.MethodGet, path: one, summary: "One user", tag: tag, access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, in *UserPath) (*reply[TeamUser], error) {
			u, err := s.teamUser(ctx, who, in.Email)
			return answer(u, err)
		})
	add(s, route{id: "UpdateTeamUser", method: http.MethodPut, path: one, summary: "Set role and groups", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict},
		example: `{"role":"viewer","groups":"*"}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			UserPath
			Input[UserUpdate]
		}) (*reply[TeamUser], error) {
			if err := s.updateUser(ctx, who, in.Email, in.In); err != nil {
				return nil, err
			}
			u, err := s.teamUser(ctx, who, in.Email)
			return answer(u, err)
		})
	add(s, route{id: "RemoveTeamUser", method: http.MethodDelete, path: one, summary: "Remove a user, or take an invitation back", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict}},
		func(ctx context.Context, who fleet.Actor, in *UserPath) (*none, error) {
			return nil, s.RemoveMember(ctx, who, in.Email)
		})
	add(s, route{id: "RotateTeamUserToken", method: http.MethodPut, path: one + "/token", summary: "End a program's token and give it another", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict},
		example: `{"expires_in":31536000}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			UserPath
			Input[Lifetime]
		}) (*reply[Token], error) {
			_, secret, t, err := s.RotateProgram(ctx, who, in.Email, in.In.duration())
			return answer(shownToken(secret, t), err)
		})
}

// Lifetime is how long a token is to live.
type Lifetime struct {
	ExpiresIn uint32 `json:"expires_in,omitempty" doc:"Seconds; absent or 0: the default"`
}

func (l Lifetime) duration() time.Duration { return time.Duration(l.ExpiresIn) * time.Second }

func (s *server) addUser(ctx context.Context, who fleet.Actor, in NewUser, base string) (AddedUser, error) {
	role, err := fleet.ParseRole(in.Role)
	if err != nil {
		return AddedUser{}, err
	}
	switch {
	case in.Name != "" && in.Email != "":
		return AddedUser{}, fleet.FieldErrorf("friendly_name", "send email for a person or friendly_name for a program, not both")
	case in.Name != "":
		m, secret, t, err := s.AddProgram(ctx, who, in.Name, role, in.Groups, Lifetime{in.Lifetime}.duration())
		if err != nil {
			return AddedUser{}, err
		}
		u, err := s.teamUser(ctx, who, m.Email)
		token := shownToken(secret, t)
		return AddedUser{TeamUser: u, Token: &token}, err
	case in.Password != "":
		m, err := s.AddUser(ctx, who, in.Email, in.Password, role, in.Groups)
		if err != nil {
			return AddedUser{}, err
		}
		u, err := s.teamUser(ctx, who, m.Email)
		return AddedUser{TeamUser: u}, err
	}
	secret, i, err := s.Invite(ctx, who, in.Email, role, in.Groups)
	if err != nil {
		return AddedUser{}, err
	}
	u, err := s.teamUser(ctx, who, i.Email)
	return AddedUser{TeamUser: u, Invitation: &Invitation{Link: base + invitationPage + "#" + secret, Token: secret, Expires: moment(i.Expires)}}, err
}

func (s *server) updateUser(ctx context.Context, who fleet.Actor, email string, u UserUpdate) error {
	if u.Groups.Null {
		return fleet.FieldErrorf("groups", "groups is a list: send [] to take the user out of all groups")
	}
	var role *fleet.Role
	if u.Role != "" {
		r, err := fleet.ParseRole(u.Role)
		if err != nil {
			return err
		}
		role = &r
	}
	_, err := s.EditMember(ctx, who, email, role, (*[]string)(u.Groups.orZero()))
	return err
}

// teamUsers are members and, for who may invite, invitations.
func (s *server) teamUsers(ctx context.Context, who fleet.Actor) ([]TeamUser, error) {
	members, err := s.Members(ctx, who)
	if err != nil {
		return nil, err
	}
	names, err := s.GroupNames(ctx, who, 0)
	if err != nil {
		return nil, err
	}
	users := make([]TeamUser, 0, len(members))
	for _, m := range members {
		users = append(users, TeamUser{Email: m.Email, Role: m.Role.String(), Groups: namesOf(m.Groups, names), Program: m.Program, Status: "active", Joined: moment(m.Joined)})
	}
	invites := fleet.May(who, fleet.ManageUsers, fleet.Object{Team: who.Team}) == nil
	if !invites {
		return users, nil
	}
	invited, err := s.Invitations(ctx, who)
	for _, i := range invited {
		users = append(users, TeamUser{Email: i.Email, Role: i.Role.String(), Groups: namesOf(i.Groups, names), Status: "invited", Expires: moment(i.Expires)})
	}
	return users, err
}

func (s *server) teamUser(ctx context.Context, who fleet.Actor, email string) (TeamUser, error) {
	users, err := s.teamUsers(ctx, who)
	if err != nil {
		return TeamUser{}, err
	}
	for _, u := range users {
		if sameEmail(u.Email, email) {
			return u, nil
		}
	}
	return TeamUser{}, fleet.Errorf(fleet.NotFound, "no such user in this team: %.140s", email)
}
