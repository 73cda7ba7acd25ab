package registry

import (
	"context"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

type teamsFake struct{ *world }

func (w teamsFake) CreateTeam(_ context.Context, t fleet.Team, owner fleet.Member) (fleet.Team, error) {
	t.ID = fleet.TeamID(len(w.teams) + 1)
	w.teams[t.ID] = t
	owner.Team, owner.Role = t.ID, fleet.Owner
	w.members = append(w.members, owner)
	return t, nil
}

func (w teamsFake) Team(_ context.Context, id fleet.TeamID) (fleet.Team, error) {
	return w.teams[id], nil
}

func (w teamsFake) AllTeams(context.Context) (ids []fleet.TeamID, err error) {
	for id := range w.teams {
		ids = append(ids, id)
	}
	return ids, nil
}

func (w teamsFake) Members(_ context.Context, team fleet.TeamID) (members []fleet.Member, err error) {
	for _, m := range w.members {
		if m.Team == team {
			members = append(members, m)
		}
	}
	return members, nil
}

func (w teamsFake) Member(_ context.Context, team fleet.TeamID, user fleet.UserID) (fleet.Member, error) {
	for _, m := range w.members {
		if m.Team == team && m.User == user {
			return m, nil
		}
	}
	return fleet.Member{}, fleet.Errorf(fleet.NotFound, "store: no member")
}

func (w teamsFake) TeamsOf(_ context.Context, user fleet.UserID) (members []fleet.Member, err error) {
	for _, m := range w.members {
		if m.User == user {
			members = append(members, m)
		}
	}
	return members, nil
}

func (w teamsFake) AddMember(_ context.Context, m fleet.Member) error {
	w.members = append(w.members, m)
	return nil
}

func (w teamsFake) EditMember(_ context.Context, team fleet.TeamID, user fleet.UserID, change func(*fleet.Member) error) (fleet.Member, error) {
	for i, m := range w.members {
		if m.Team == team && m.User == user {
			err := change(&m)
			w.members[i] = m
			return m, err
		}
	}
	return fleet.Member{}, fleet.Errorf(fleet.NotFound, "store: no member")
}

func (w teamsFake) EditMembers(_ context.Context, team fleet.TeamID, change func(map[fleet.UserID]fleet.Member) error) error {
	members := map[fleet.UserID]fleet.Member{}
	for _, m := range w.members {
		if m.Team == team {
			members[m.User] = m
		}
	}
	err := change(members)
	for i, m := range w.members {
		if m.Team == team && err == nil {
			w.members[i] = members[m.User]
		}
	}
	return err
}

func (w teamsFake) EditTeam(_ context.Context, id fleet.TeamID, change func(*fleet.Team) error) (fleet.Team, error) {
	t := w.teams[id]
	err := change(&t)
	w.teams[id] = t
	return t, err
}

func (w teamsFake) DeleteTeam(_ context.Context, id fleet.TeamID) error {
	delete(w.teams, id)
	return nil
}

func (w teamsFake) Invite(_ context.Context, i fleet.Invitation) error {
	w.invited[i.ID] = i
	return nil
}

func (w teamsFake) Invitations(_ context.Context, team fleet.TeamID) (open []fleet.Invitation, err error) {
	for _, i := range w.invited {
		if i.Team == team {
			open = append(open, i)
		}
	}
	return open, nil
}

func (w teamsFake) Uninvite(_ context.Context, _ fleet.TeamID, id string) error {
	delete(w.invited, id)
	return nil
}

func (w teamsFake) AcceptInvitation(_ context.Context, id string, m fleet.Member) (fleet.Member, error) {
	i, ok := w.invited[id]
	if !ok {
		return m, fleet.Errorf(fleet.NotFound, "store: no invitation")
	}
	delete(w.invited, id)
	m.Role, m.Groups = i.Role, i.Groups
	w.members = append(w.members, m)
	return m, nil
}

func (w teamsFake) DeleteUser(_ context.Context, id fleet.UserID) error {
	delete(w.users, id)
	w.members = slices.DeleteFunc(w.members, func(m fleet.Member) bool { return m.User == id })
	return nil
}

func (w teamsFake) RemoveMember(_ context.Context, team fleet.TeamID, user fleet.UserID) error {
	w.members = slices.DeleteFunc(w.members, func(m fleet.Member) bool { return m.Team == team && m.User == user })
	return nil
}

func (w teamsFake) CreateUser(_ context.Context, u fleet.User) (fleet.User, error) {
	for _, other := range w.users {
		if other.Email == u.Email {
			return u, fleet.Errorf(fleet.Conflict, "email taken")
		}
	}
	u.ID = fleet.UserID(len(w.users) + 1)
	w.users[u.ID] = u
	return u, nil
}

func (w teamsFake) User(_ context.Context, id fleet.UserID) (fleet.User, error) {
	return w.users[id], nil
}

func (w teamsFake) UserByEmail(_ context.Context, email string) (fleet.User, error) {
	for _, u := range w.users {
		if u.Email == email {
			return u, nil
		}
	}
	return fleet.User{}, fleet.Errorf(fleet.NotFound, "store: no user")
}

func (w teamsFake) EditUser(_ context.Context, id fleet.UserID, change func(*fleet.User) error) (fleet.User, error) {
	u, ok := w.users[id]
	if !ok {
		return u, fleet.Errorf(fleet.NotFound, "store: no user")
	}
	err := change(&u)
	if err == nil {
		w.users[id] = u
	}
	return u, err
}

const tokensAllowed = 3

func (w teamsFake) CreateToken(_ context.Context, t fleet.Token) error {
	if len(w.tokens) >= tokensAllowed {
		return fleet.Errorf(fleet.Busy, "too many tokens")
	}
	w.tokens[t.ID] = t
	return nil
}

func (w teamsFake) Token(_ context.Context, id string) (fleet.Token, error) {
	t, ok := w.tokens[id]
	if !ok {
		return t, fleet.Errorf(fleet.NotFound, "store: no token")
	}
	return t, nil
}

func (w teamsFake) Tokens(_ context.Context, team fleet.TeamID, user fleet.UserID) (tokens []fleet.Token, err error) {
	for _, t := range w.tokens {
		if (team == 0 || t.Team == team) && t.User == user {
			tokens = append(tokens, t)
		}
	}
	slices.SortFunc(tokens, func(a, b fleet.Token) int { return b.Created.Compare(a.Created) })
	return tokens, nil
}

func (w teamsFake) DeleteToken(_ context.Context, id string) error {
	delete(w.tokens, id)
	return nil
}

func (w teamsFake) Groups(_ context.Context, team fleet.TeamID) (groups []fleet.Group, err error) {
	for _, g := range w.groups {
		if g.Team == team {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b fleet.Group) int { return strings.Compare(a.Name, b.Name) })
	return groups, nil
}

func (w teamsFake) CreateGroup(_ context.Context, g fleet.Group) (fleet.Group, error) {
	for _, other := range w.groups {
		if other.Name == g.Name {
			return g, fleet.Errorf(fleet.Conflict, "name taken")
		}
	}
	g.ID = fleet.GroupID(len(w.groups) + 1)
	w.groups[g.ID] = g
	return g, nil
}

func (w teamsFake) EnsureGroups(ctx context.Context, team fleet.TeamID, like []fleet.Group) (made []fleet.Group, err error) {
	for _, g := range like {
		g.Team = team
		g, err := w.CreateGroup(ctx, g)
		if err != nil {
			return made, err
		}
		made = append(made, g)
	}
	return made, nil
}

func (w teamsFake) EditGroup(_ context.Context, _ fleet.TeamID, id fleet.GroupID, change func(*fleet.Group) error) (fleet.Group, error) {
	g := w.groups[id]
	err := change(&g)
	if err == nil {
		w.groups[id] = g
	}
	return g, err
}

func (w teamsFake) DeleteGroup(_ context.Context, _ fleet.TeamID, id fleet.GroupID) error {
	delete(w.groups, id)
	return nil
}
