package rollout

import "github.com/muster-iot/muster/fleet"

// holds reports whether the downloads of a release's devices have to stop.
func holds(r *fleet.Release) bool {
	return r.State == fleet.ReleaseHalted || r.State == fleet.ReleaseReverting
}

// Follow does, for a catalog that another server has changed, what this one does for those it changes: the
// downloads of releases that were halted stop.
func (s *Service) Follow(c *fleet.Catalog) {
	if len(c.Staged) > 0 {
		s.Watch(c.Product.ID)
	}
	for _, r := range c.Staged {
		if holds(&r) {
			s.halted(c.Product.ID, r.ID, c.Revision)
		}
	}
}

// immediate reports whether devices that are online get what r gives them at once.
func immediate(r *fleet.Release) bool { return r.Now && r.State != fleet.ReleaseHalted }
