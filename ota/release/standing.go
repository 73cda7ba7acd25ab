package release

import (
	"context"
	"maps"

	"github.com/muster-iot/muster/fleet"
)

// Standing counts the devices of product that actor sees by the state of their last update,
// and those whose update failed and that don't run their target since, by the reason. Errors: fleet.Unavailable until the index is
// built.
func (s *Service) Standing(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (fleet.Standing, error) {
	counts := fleet.Standing{States: make(map[fleet.UpdateState]int), Reasons: make(map[fleet.ReasonCode]int)}
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return counts, err
	}
	targets := newContrast(c, c)
	err = s.index.Count(actor, product, targets.splits(), func(e *fleet.IndexEntry, devices int) {
		counts.States[e.Update] += devices
		if failed(e) && wrong(targets, e) {
			counts.Reasons[e.Reason] += devices
		}
	})
	downloads := s.ota.Positions(c.Product.Team)
	maps.Copy(downloads, s.elsewhere(c.Product.Team))
	for id, bytes := range downloads { // as live does for one
		e, err := s.index.Entry(id)
		if err == nil && bytes > 0 && e.Product == product && e.Update == fleet.Offered && s.sees(actor, c.Product.Team, &e) && counts.States[fleet.Offered] > 0 {
			counts.States[fleet.Offered]--
			counts.States[fleet.Downloading]++
		}
	}
	return counts, err
}

func (s *Service) downloadsElsewhere(d *fleet.Device) bool {
	_, is := s.elsewhere(d.Team)[d.ID]
	return is
}
