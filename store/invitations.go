package store

import (
	"context"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// maxInvitations bounds the invitations of one team that nobody accepted yet.
const maxInvitations = 1000

// Invite keeps an invitation to i.Team; an earlier one of the same email ends. It returns
// fleet.NotFound for a group the team does not have, and fleet.Busy when too many wait.
func (s *Teams) Invite(ctx context.Context, i fleet.Invitation) error {
	_, err := s.docs.Edit(ctx, i.Team, func(r *roster) error {
		for id, other := range r.invited {
			if other.Email == i.Email {
				delete(r.invited, id)
			}
		}
		if len(r.invited) >= maxInvitations {
			return fleet.Errorf(fleet.Busy, "the team has %d open invitations: take some back", maxInvitations)
		}
		r.invited[i.ID] = i
		return r.haveGroups(i.Groups)
	})
	return err
}

// Invitations returns the open invitations of a team, by email. Whether one has expired is
// for the caller to judge.
func (s *Teams) Invitations(ctx context.Context, team fleet.TeamID) ([]fleet.Invitation, error) {
	r, err := s.docs.Live(ctx, team)
	if err != nil {
		return nil, err
	}
	invited := make([]fleet.Invitation, 0, len(r.invited))
	for _, i := range r.invited {
		invited = append(invited, i)
	}
	slices.SortFunc(invited, func(a, b fleet.Invitation) int { return strings.Compare(a.Email, b.Email) })
	return invited, nil
}

// Uninvite takes an invitation back; fleet.NotFound when it is not open any more.
func (s *Teams) Uninvite(ctx context.Context, team fleet.TeamID, id string) error {
	_, err := s.docs.Edit(ctx, team, func(r *roster) error {
		if _, ok := r.invited[id]; !ok {
			return noInvitation()
		}
		delete(r.invited, id)
		return nil
	})
	return err
}

// AcceptInvitation turns an open invitation into m's membership, with the role and the
// groups it has by then, in one step: it can be accepted once. It returns fleet.NotFound
// when it is not open any more and fleet.Conflict when m.User is a member already.
func (s *Teams) AcceptInvitation(ctx context.Context, id string, m fleet.Member) (fleet.Member, error) {
	if err := s.join(ctx, m); err != nil {
		return fleet.Member{}, err
	}
	_, err := s.docs.Edit(ctx, m.Team, func(r *roster) error {
		i, ok := r.invited[id]
		if !ok {
			return noInvitation()
		}
		if _, ok := r.members[m.User]; ok {
			return fleet.Errorf(fleet.Conflict, "%s is a member of the team already", m.Email)
		}
		m.Role, m.Groups = i.Role, i.Groups
		r.members[m.User] = m
		delete(r.invited, id)
		return nil
	})
	return m, err
}

func noInvitation() error {
	return fleet.Errorf(fleet.NotFound, "no such invitation: it was accepted or taken back")
}
