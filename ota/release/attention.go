package release

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// Attention counts the devices of product that actor sees by why they need attention. Errors:
// fleet.Unavailable until the index is built.
func (s *Service) Attention(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (map[fleet.Concern]int, error) {
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return nil, err
	}
	counts, t := make(map[fleet.Concern]int), newSum(c, c, s.ota.MaxAttempts())
	err = s.index.Count(actor, product, t.contrast.splits(), func(e *fleet.IndexEntry, devices int) {
		if concern := t.concern(e); concern != "" {
			counts[concern] += devices
		}
	})
	return counts, err
}

// Concerned returns a condition for fleet.DeviceQuery: the device of product has this
// concern. It is valid for one query, by the catalog as it is now.
func (s *Service) Concerned(ctx context.Context, actor fleet.Actor, product fleet.ProductID, concern fleet.Concern) (fleet.Where, error) {
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return fleet.Where{}, err
	}
	t := newSum(c, c, s.ota.MaxAttempts())
	return fleet.Where{Splits: t.contrast.splits(), Holds: func(e *fleet.IndexEntry) bool { return t.concern(e) == concern }}, nil
}

// Wrong returns a condition for fleet.DeviceQuery: the last update of the device of product
// failed for this reason, 0: for any or because it was stopped, and the device does not run its
// target since. It is valid for one query, by the catalog as it is now.
func (s *Service) Wrong(ctx context.Context, actor fleet.Actor, product fleet.ProductID, reason fleet.ReasonCode) (fleet.Where, error) {
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return fleet.Where{}, err
	}
	targets := newContrast(c, c)
	return fleet.Where{Splits: targets.splits(), Holds: func(e *fleet.IndexEntry) bool {
		return wrong(targets, e) && (reason == 0 || failed(e) && e.Reason == reason)
	}}, nil
}

// concern returns why a device needs attention, "" if it does not.
func (t *sum) concern(e *fleet.IndexEntry) fleet.Concern {
	target := t.contrast.targets(e).after
	switch {
	case e.Running.IsZero() && e.Update == fleet.NoUpdate:
		return fleet.NeverConnected
	case !target.Valid(), e.Running.Equal(target), e.Update.Running():
		return ""
	case e.Disabled:
		return fleet.Cut
	}
	switch t.obstacle(e, target, false) {
	case "held":
		return fleet.HeldBack
	case "exhausted":
		return fleet.Exhausted
	case "not_now":
		return fleet.Declines
	}
	if wrong(t.contrast, e) && e.UpdateTarget.Equal(target) {
		return fleet.Retrying
	}
	return fleet.Behind
}

// wrong reports whether the last update of a device did not succeed, and the device does not run
// its target since. A device without a target keeps what it runs, which is right.
func wrong(targets *contrast, e *fleet.IndexEntry) bool {
	if !failed(e) && e.Update != fleet.Stopped {
		return false
	}
	target := targets.targets(e).after
	return target.Valid() && !e.Running.Equal(target)
}

func failed(e *fleet.IndexEntry) bool {
	return e.Update == fleet.Failed || e.Update == fleet.RolledBack
}
