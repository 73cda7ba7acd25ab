package console

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/remaining"
)

// where adds what the filter asks about targets, which are a product's: in the list of all
// products it is left out.
func (v listPages) where(f deviceFilter, q *fleet.DeviceQuery) (err error) {
	if v.product.ID == 0 {
		return nil
	}
	also := func(where fleet.Where, wrong error) {
		if err = cmp.Or(err, wrong); wrong == nil {
			q.Where.Holds, q.Where.Splits = both(q.Where.Holds, where.Holds), where.Splits
		}
	}
	if f.Concern != "" {
		if !slices.Contains(fleet.Concerns, fleet.Concern(f.Concern)) {
			return fleet.FieldErrorf("concern", "no such concern: %.40s", f.Concern)
		}
		also(v.releases.Concerned(v.ctx(), v.actor, v.product.ID, fleet.Concern(f.Concern)))
	}
	if f.Release != "" {
		id, wrong := strconv.ParseUint(f.Release, 10, 32)
		if wrong != nil {
			return fleet.FieldErrorf("release", "a release is a number: %.40s", f.Release)
		}
		also(v.rollouts.Where(v.ctx(), v.actor, v.product.ID, fleet.ReleaseID(id), fleet.ReleasePart(f.Part), f.Cause))
	}
	if f.Reason != "" {
		code, wrong := strconv.ParseUint(f.Reason, 10, 16)
		if wrong != nil {
			return fleet.FieldErrorf("reason", "a reason is a number: %.40s", f.Reason)
		}
		also(v.releases.Wrong(v.ctx(), v.actor, v.product.ID, fleet.ReasonCode(code)))
	}
	if f.Left != "" {
		left := remaining.Query{Product: v.product.ID, Cause: f.Left}
		if f.Left == anyCause {
			left.Cause = ""
		}
		if f.Target != "" {
			if left.Version, err = fleet.ParseVersion(f.Target); err != nil {
				return err
			}
		}
		also(v.remaining.Where(v.ctx(), v.actor, left))
	}
	if f.Update == "wrong" {
		also(v.releases.Wrong(v.ctx(), v.actor, v.product.ID, 0))
	}
	return err
}

// both is the condition that a holds, which may be nil, and b.
func both(a, b func(*fleet.IndexEntry) bool) func(*fleet.IndexEntry) bool {
	if a == nil {
		return b
	}
	return func(e *fleet.IndexEntry) bool { return a(e) && b(e) }
}
