package rollout

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota/precedence"
)

// Few draws the border of a stage of so many devices: it sets r.Few, where r, one of c's releases
// under way, is at such a stage and has none yet. It counts the devices that r would reach at a
// share of 100 % and that are not disabled. Errors: fleet.Unavailable until the index is built.
func Few(x *index.Index, c *fleet.Catalog, r *fleet.Release) (err error) {
	stage := r.Plan.Stages[r.Stage]
	if stage.Devices == 0 || r.State == fleet.ReleaseScheduled {
		return nil
	}
	reaches := precedence.Reaches(c, r)
	_, few, err := x.Lowest(everyone(c), c.Product.ID, r.Salt, stage.Devices, func(e *fleet.IndexEntry) bool {
		return !e.Disabled && reaches(precedence.OfEntry(e))
	})
	r.Few = max(r.Few, few)
	return err
}

// Revertible returns Conflict if devices that r updated could not return to its base.
func Revertible(c *fleet.Catalog, r *fleet.Release) error {
	base, known := c.Find(r.Base)
	released, _ := c.Find(r.Version)
	switch {
	case !known:
		return nil // nothing to return to: they keep what they run
	case released.Floor > base.Floor:
		return fleet.Errorf(fleet.Conflict, "can't revert from %s: %s is below its rollback floor (security counter %d, %s has %d)",
			r.Version, r.Base, released.Floor, r.Base, base.Floor)
	case !precedence.Leads(c, r.Version, r.Base):
		return fleet.Errorf(fleet.Conflict, "can't revert from %s: %s can only be installed over %s, and no uploaded version leads there", r.Version, r.Base, base.Requires)
	}
	return nil
}
