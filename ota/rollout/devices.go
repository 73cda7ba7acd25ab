package rollout

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// Where returns a condition for fleet.DeviceQuery: a release under way counts the device in
// part. For fleet.PartWaiting, cause is why it waits, as in fleet.ReleaseCounts, "" for any. It is
// valid for one query, by the catalog as it is now. Errors: fleet.NotFound, fleet.Invalid for an
// unknown part, fleet.Conflict for a release that has ended or over which another stands.
func (s *Service) Where(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.ReleaseID, part fleet.ReleasePart, cause string) (fleet.Where, error) {
	switch part {
	case fleet.PartConfirmed, fleet.PartFailed, fleet.PartUpdating, fleet.PartWaiting:
	default:
		return fleet.Where{}, fleet.FieldErrorf("part", "%.40q is not a part of a release: use confirmed, failed, updating or waiting", string(part))
	}
	c, r, err := s.visible(ctx, actor, product, id)
	if err != nil {
		return fleet.Where{}, err
	}
	if r, err = underWay(c, id); err != nil {
		return fleet.Where{}, err
	}
	now := time.Now()
	return fleet.Where{Splits: c.Splits(), Holds: func(e *fleet.IndexEntry) bool {
		facts := precedence.OfEntry(e)
		target, reason, winner := precedence.Decide(facts, c)
		is, why := s.part(c, &r, e, precedence.Staged(facts, c, target, reason, winner) == r.ID, now)
		return is == part && (cause == "" || why == cause)
	}}, nil
}

// UnderWay returns the releases of product that have not ended and that actor may see, by target,
// without counting devices. Errors: fleet.NotFound.
func (s *Service) UnderWay(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (list []fleet.Release, err error) {
	c, err := s.catalogFor(ctx, actor, product)
	if err != nil {
		return nil, err
	}
	for _, target := range slices.Sorted(maps.Keys(c.Staged)) {
		if sees(actor, c, target) {
			list = append(list, c.Staged[target])
		}
	}
	return list, nil
}
