package release

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// Foresee returns a product's catalog as it would be after Release with this order, which actor
// may carry out, and the releases with a plan that it would begin. The catalog is a copy that the
// caller may change. Errors as Release's.
func (s *Service) Foresee(ctx context.Context, actor fleet.Actor, product fleet.ProductID, order fleet.ReleaseOrder) (*fleet.Catalog, []fleet.Release, error) {
	before, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return nil, nil, err
	}
	groups, err := s.groupsOf(ctx, before)
	if err != nil {
		return nil, nil, err
	}
	after := clone(before)
	if err := s.apply(actor, after, groups, order); err != nil {
		return nil, nil, err
	}
	var begun []fleet.Release
	for target, r := range after.Staged {
		if was, stood := before.Staged[target]; !stood || was.ID != r.ID {
			begun = append(begun, r)
		}
	}
	return after, begun, nil
}
