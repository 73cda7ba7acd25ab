package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

// Teams reads and writes teams, their members, groups and invitations, users and their tokens.
// A read sees what any process wrote before it.
type Teams struct {
	core     *core
	store    *Store
	docs     *document.Documents[fleet.TeamID, roster]
	accounts *document.Documents[fleet.UserID, account]
}

func newTeams(c *core, s *Store) *Teams {
	return &Teams{
		core: c, store: s,
		docs:     document.New(c.Pipeline, rosterKind, keys.Team),
		accounts: document.New(c.Pipeline, accountKind, keys.User),
	}
}

// CreateTeam stores a new team with its first member, the owner, who must be a user. It returns
// the team with its id.
func (s *Teams) CreateTeam(ctx context.Context, t fleet.Team, owner fleet.Member) (fleet.Team, error) {
	id, err := s.core.claims.Next(ctx, keys.Counter("team"))
	if err != nil {
		return fleet.Team{}, err
	}
	t.ID = fleet.TeamID(id)
	owner.Team, owner.Role = t.ID, fleet.Owner
	if err := s.join(ctx, owner); err != nil {
		return fleet.Team{}, err
	}
	r := rosterKind.Clone(&roster{})
	r.team = t
	r.members[owner.User] = owner
	if err := s.docs.Create(ctx, t.ID, r); err != nil {
		return fleet.Team{}, err
	}
	return t, s.core.Do(ctx, keys.Teams, func(p redis.Pipeliner) redis.Cmder { return p.SAdd(context.Background(), keys.Teams, id) })
}

// AllTeams returns the ids of all teams of the installation, lowest first.
func (s *Teams) AllTeams(ctx context.Context) ([]fleet.TeamID, error) {
	words, err := pipeline.Fetch(ctx, s.core.Pipeline, keys.Teams, func(p redis.Pipeliner) pipeline.Result[[]string] { return p.SMembers(context.Background(), keys.Teams) })
	ids := make([]fleet.TeamID, 0, len(words))
	for _, word := range words {
		ids = append(ids, fleet.TeamID(record.Decimal(word)))
	}
	slices.Sort(ids)
	return ids, err
}

// Team returns a team; fleet.NotFound when there is none.
func (s *Teams) Team(ctx context.Context, id fleet.TeamID) (fleet.Team, error) {
	r, err := s.docs.Live(ctx, id)
	if err != nil {
		return fleet.Team{}, err
	}
	return r.team, nil
}

// EditTeam changes a team and returns what was written. change may run several times.
func (s *Teams) EditTeam(ctx context.Context, id fleet.TeamID, change func(*fleet.Team) error) (fleet.Team, error) {
	r, err := s.docs.Edit(ctx, id, func(r *roster) error { return change(&r.team) })
	if err != nil {
		return fleet.Team{}, err
	}
	return r.team, nil
}

// DeleteTeam removes a team with its members, groups, messages, alerts and audit log. It
// returns fleet.Conflict while the team has products.
func (s *Teams) DeleteTeam(ctx context.Context, id fleet.TeamID) error {
	r, err := s.docs.Load(ctx, id)
	if err != nil {
		return err
	}
	if len(r.products) > 0 {
		return fleet.Errorf(fleet.Conflict, "team %s has products: delete them first", r.team.Name)
	}
	for user := range r.members {
		if err := s.leave(ctx, id, user); err != nil {
			return err
		}
	}
	err = s.core.Do(ctx, keys.Alerts(id), func(p redis.Pipeliner) redis.Cmder {
		order, sizes := keys.AlertShares(id)
		names := []string{keys.Alerts(id), keys.AlertOrder(id), order, sizes, keys.Repeats(id), keys.RepeatOrder(id)}
		return p.Del(context.Background(), slices.Concat(names, keys.Notifications(id), keys.Workbench(id),
			s.core.messagesKey(id).Names(), s.core.auditKey(id).Names(), s.core.signInsKey(id).Names(), []string{keys.AuditHead(id)})...)
	})
	if err != nil {
		return err
	}
	if err := s.core.Do(ctx, keys.Teams, func(p redis.Pipeliner) redis.Cmder { return p.SRem(context.Background(), keys.Teams, id.String()) }); err != nil {
		return err
	}
	return s.docs.Remove(ctx, id)
}

// Members returns the members of a team, by email.
func (s *Teams) Members(ctx context.Context, team fleet.TeamID) ([]fleet.Member, error) {
	r, err := s.docs.Live(ctx, team)
	if err != nil {
		return nil, err
	}
	members := make([]fleet.Member, 0, len(r.members))
	for _, m := range r.members {
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b fleet.Member) int { return strings.Compare(a.Email, b.Email) })
	return members, nil
}

// Member returns a user's membership of a team; fleet.NotFound when there is none.
func (s *Teams) Member(ctx context.Context, team fleet.TeamID, user fleet.UserID) (fleet.Member, error) {
	r, err := s.docs.Live(ctx, team)
	if err != nil {
		return fleet.Member{}, err
	}
	m, ok := r.members[user]
	if !ok {
		return fleet.Member{}, noMember(user)
	}
	return m, nil
}

// AddMember adds m.User, who must be a user, to m.Team. It returns fleet.Conflict when they are
// already a member, and fleet.NotFound for a group that the team doesn't have.
func (s *Teams) AddMember(ctx context.Context, m fleet.Member) error {
	if err := s.join(ctx, m); err != nil {
		return err
	}
	_, err := s.docs.Edit(ctx, m.Team, func(r *roster) error {
		if r.has(m) {
			return fleet.Errorf(fleet.Conflict, "%s is already a member of the team", m.Email)
		}
		r.members[m.User] = m
		return r.haveGroups(m.Groups)
	})
	return err
}

// EditMember changes a member and returns what was written. change may run several times.
func (s *Teams) EditMember(ctx context.Context, team fleet.TeamID, user fleet.UserID, change func(*fleet.Member) error) (fleet.Member, error) {
	var edited fleet.Member
	err := s.EditMembers(ctx, team, func(members map[fleet.UserID]fleet.Member) error {
		m, ok := members[user]
		if !ok {
			return noMember(user)
		}
		m.Groups = slices.Clone(m.Groups)
		if err := change(&m); err != nil {
			return err
		}
		members[user], edited = m, m
		return nil
	})
	if err != nil {
		return fleet.Member{}, err
	}
	return edited, nil
}

// EditMembers changes several members in one step, for example to hand over a team. change
// replaces values of the map, whose Groups it must not modify, and must not add or remove
// members. It may run several times.
func (s *Teams) EditMembers(ctx context.Context, team fleet.TeamID, change func(map[fleet.UserID]fleet.Member) error) error {
	_, err := s.docs.Edit(ctx, team, func(r *roster) error {
		before := len(r.members)
		if err := change(r.members); err != nil {
			return err
		}
		if len(r.members) != before {
			return fleet.Errorf(fleet.Invalid, "members are added and removed one by one")
		}
		for _, m := range r.members {
			if err := r.haveGroups(m.Groups); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// RemoveMember removes a user from a team. It returns fleet.NotFound when they are not a member,
// and fleet.Conflict for the owner. Their tokens for the team are kept, but without the
// membership they are worth nothing: callers that read a token read the member too.
func (s *Teams) RemoveMember(ctx context.Context, team fleet.TeamID, user fleet.UserID) error {
	_, err := s.docs.Edit(ctx, team, func(r *roster) error {
		m, ok := r.members[user]
		if !ok {
			return noMember(user)
		}
		if m.Role == fleet.Owner { // possibly since a moment ago
			return fleet.Errorf(fleet.Conflict, "%s owns the team: hand it over first", m.Email)
		}
		delete(r.members, user)
		return nil
	})
	if err != nil {
		return err
	}
	return s.leave(ctx, team, user)
}

// TeamsOf returns a user's memberships, oldest team first.
func (s *Teams) TeamsOf(ctx context.Context, user fleet.UserID) ([]fleet.Member, error) {
	a, err := s.accounts.Live(ctx, user)
	if err != nil {
		return nil, err
	}
	members := make([]fleet.Member, 0, len(a.teams))
	for team := range a.teams {
		m, err := s.Member(ctx, team, user)
		if errors.Is(err, fleet.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b fleet.Member) int { return int(a.Team) - int(b.Team) })
	return members, nil
}

// join stores the user's side of a membership: before the roster is changed, and leave removes it
// afterwards, so that a crash in between leaves a hint too many, never one too few.
func (s *Teams) join(ctx context.Context, m fleet.Member) error {
	_, err := s.accounts.Edit(ctx, m.User, func(a *account) error {
		a.teams[m.Team] = true
		return nil
	})
	return err
}

func (s *Teams) leave(ctx context.Context, team fleet.TeamID, user fleet.UserID) error {
	_, err := s.accounts.Edit(ctx, user, func(a *account) error {
		delete(a.teams, team)
		return nil
	})
	if errors.Is(err, fleet.NotFound) {
		return nil
	}
	return err
}

func noMember(user fleet.UserID) error {
	return fleet.Errorf(fleet.NotFound, "no such member: user %s", user)
}
