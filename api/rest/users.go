package rest

import (
	"context"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

func (a *API) listUsers(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.TeamUsers], error) {
	users, err := a.teamUsers(ctx, who)
	return route.Answer(api.TeamUsers{Users: users}, err)
}

func (a *API) addTeamUser(ctx context.Context, who fleet.Actor, in *struct {
	route.Origin
	route.Input[api.NewUser]
}) (*route.Reply[api.AddedUser], error) {
	return route.Answer(a.AddUser(ctx, who, in.In, in.Base))
}

func (a *API) getUser(ctx context.Context, who fleet.Actor, in *UserPath) (*route.Reply[api.TeamUser], error) {
	return route.Answer(a.teamUser(ctx, who, in.Email))
}

func (a *API) updateTeamUser(ctx context.Context, who fleet.Actor, in *struct {
	UserPath
	route.Input[api.UserUpdate]
}) (*route.Reply[api.TeamUser], error) {
	if err := a.UpdateUser(ctx, who, in.Email, in.In); err != nil {
		return nil, err
	}
	return route.Answer(a.teamUser(ctx, who, in.Email))
}

func (a *API) removeUser(ctx context.Context, who fleet.Actor, in *UserPath) (*route.None, error) {
	return nil, a.Accounts.RemoveMember(ctx, who, in.Email)
}

func (a *API) rotateProgram(ctx context.Context, who fleet.Actor, in *struct {
	UserPath
	route.Input[api.Lifetime]
}) (*route.Reply[api.Token], error) {
	_, secret, t, err := a.Accounts.RotateProgram(ctx, who, in.Email, in.In.Duration())
	return route.Answer(shownToken(secret, t), err)
}

// AddUser takes someone into the team. base is the server's address, for links.
func (a *API) AddUser(ctx context.Context, who fleet.Actor, in api.NewUser, base string) (api.AddedUser, error) {
	role, err := fleet.ParseRole(in.Role)
	if err != nil {
		return api.AddedUser{}, err
	}
	switch {
	case in.Name != "" && in.Email != "":
		return api.AddedUser{}, fleet.FieldErrorf("friendly_name", "send email for a person or friendly_name for a program, not both")
	case in.Name != "":
		m, secret, t, err := a.Accounts.AddProgram(ctx, who, in.Name, role, in.Groups, api.Lifetime{ExpiresIn: in.Lifetime}.Duration())
		if err != nil {
			return api.AddedUser{}, err
		}
		u, err := a.teamUser(ctx, who, m.Email)
		token := shownToken(secret, t)
		return api.AddedUser{TeamUser: u, Token: &token}, err
	case in.Password != "":
		m, err := a.Accounts.AddUser(ctx, who, in.Email, in.Password, role, in.Groups)
		if err != nil {
			return api.AddedUser{}, err
		}
		u, err := a.teamUser(ctx, who, m.Email)
		return api.AddedUser{TeamUser: u}, err
	}
	secret, i, err := a.Accounts.Invite(ctx, who, in.Email, role, in.Groups)
	if err != nil {
		return api.AddedUser{}, err
	}
	u, err := a.teamUser(ctx, who, i.Email)
	link := base + invitationPage + "#" + secret
	mailed := a.Notify.Invite(ctx, who, i, link)
	return api.AddedUser{TeamUser: u, Invitation: &api.Invitation{Link: link, Token: secret, Expires: Moment(i.Expires), Mailed: mailed}}, err
}

// UpdateUser changes role and groups of a user; absent fields keep their values.
func (a *API) UpdateUser(ctx context.Context, who fleet.Actor, email string, u api.UserUpdate) error {
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
	_, err := a.Accounts.EditMember(ctx, who, email, role, (*[]string)(u.Groups.Pointer()))
	return err
}

// teamUsers are the members and, if the actor may invite, the open invitations.
func (a *API) teamUsers(ctx context.Context, who fleet.Actor) ([]api.TeamUser, error) {
	members, err := a.Accounts.Members(ctx, who)
	if err != nil {
		return nil, err
	}
	names, err := a.Registry.GroupNames(ctx, who, 0)
	if err != nil {
		return nil, err
	}
	users := make([]api.TeamUser, 0, len(members))
	for _, m := range members {
		users = append(users, api.TeamUser{
			Email: m.Email, Role: m.Role.String(), Groups: NamesOf(m.Groups, names), Program: m.Program, Status: "active", Joined: Moment(m.Joined),
		})
	}
	invites := fleet.May(who, fleet.ManageUsers, fleet.Object{Team: who.Team}) == nil
	if !invites {
		return users, nil
	}
	invited, err := a.Accounts.Invitations(ctx, who)
	for _, i := range invited {
		users = append(users, api.TeamUser{Email: i.Email, Role: i.Role.String(), Groups: NamesOf(i.Groups, names), Status: "invited", Expires: Moment(i.Expires)})
	}
	return users, err
}

func (a *API) teamUser(ctx context.Context, who fleet.Actor, email string) (api.TeamUser, error) {
	users, err := a.teamUsers(ctx, who)
	if err != nil {
		return api.TeamUser{}, err
	}
	for _, u := range users {
		if sameEmail(u.Email, email) {
			return u, nil
		}
	}
	return api.TeamUser{}, fleet.Errorf(fleet.NotFound, "no such user in this team: %.140s", email)
}

func sameEmail(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}
