package ota

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// Standing counts the devices of product that actor sees by how their last update stands,
// and those that went wrong by the reason. Errors: what fleet.May says; fleet.Unavailable
// before the index is ready.
func (s *Service) Standing(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (fleet.Standing, error) {
	counts := fleet.Standing{States: make(map[fleet.UpdateState]int), Reasons: make(map[fleet.ReasonCode]int)}
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return counts, err
	}
	err = s.eachVisible(actor, c, func(e *fleet.IndexEntry) {
		state := e.Update
		if state == fleet.Offered {
			if position, ok := s.Position(e.ID); ok && position > 0 { // what live says of one
				state = fleet.Downloading
			}
		}
		counts.States[state]++
		if state == fleet.Failed || state == fleet.RolledBack {
			counts.Reasons[e.Reason]++
		}
	})
	return counts, err
}
