package rollout

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/fleet"
)

// raise raises the alert of a release that stopped by itself, if that is still to be done: the catalog
// says so, and a process that is killed in between raises it twice rather than never.
func (s *Service) raise(ctx context.Context, c *fleet.Catalog, r fleet.Release) error {
	if !r.Alert {
		return nil
	}
	name := fmt.Sprintf("release %s of version %s in product %s", r.ID, r.Version, c.Product.Slug)
	switch {
	case r.State == fleet.ReleaseReverting:
		s.alert(ctx, c.Product.Team, "release_reverting", name+" takes itself back: "+r.Why)
	case r.State == fleet.ReleaseHalted && r.Plan.Ask:
		s.alert(ctx, c.Product.Team, "release_asks", name+" has stopped and waits for a decision, to resume, revert or finish it: "+r.Why)
	case r.State == fleet.ReleaseHalted:
		s.alert(ctx, c.Product.Team, "release_halted", name+" has halted: "+r.Why)
	}
	_, err := s.catalogs.EditCatalog(ctx, c.Product.ID, func(c *fleet.Catalog) error {
		if now := c.Staged[r.Group]; now.ID == r.ID {
			now.Alert = false
			c.SetStaged(now)
		}
		return nil
	})
	return err
}
