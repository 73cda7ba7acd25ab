package store

import (
	"context"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// maxInvitations bounds the open invitations of one team.
const maxInvitations = 1000

// Invite stores an invitation to i.Team, instead of an earlier one to the same email. It returns
// fleet.NotFound for a group that the team doesn't have, and fleet.Busy when too many are open.
func (s *Teams) Invite(ctx context.Context, i fleet.Invitation) error {
	_, err := s.docs.Edit(ctx, i.Team, func(r *roster) error {
		for id, other := range r.invited {
			if other.Email == i.Email {
				delete(r.invited, id)
			}
		}
		if len(r.invited) >= maxInvitations {
			return fleet.Errorf(fleet.Busy, "the team has %d open invitations: revoke some", maxInvitations)
		}
		r.invited[i.ID] = i
		return r.haveGroups(i.Groups)
	})
	return err
}

// Invitations returns the open invitations of a team, by email. Expired ones are among them.
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

// Uninvite revokes an invitation; fleet.NotFound when it is no longer open.
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

// AcceptInvitation replaces an open invitation by m's membership, with its current role and
// groups, in one step: it can be accepted once. It returns fleet.NotFound when it is no longer
// open, and fleet.Conflict when m.User is already a member.
func (s *Teams) AcceptInvitation(ctx context.Context, id string, m fleet.Member) (fleet.Member, error) {
	if err := s.join(ctx, m); err != nil {
		return fleet.Member{}, err
	}
	_, err := s.docs.Edit(ctx, m.Team, func(r *roster) error {
		i, ok := r.invited[id]
		if !ok {
			return noInvitation()
		}
		if r.has(m) {
			return fleet.Errorf(fleet.Conflict, "%s is already a member of the team", m.Email)
		}
		m.Role, m.Groups = i.Role, i.Groups
		r.members[m.User] = m
		delete(r.invited, id)
		return nil
	})
	return m, err
}

func noInvitation() error {
	return fleet.Errorf(fleet.NotFound, "no such invitation: it was accepted or revoked")
}
