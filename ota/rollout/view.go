package rollout

import (
	"context"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// Releases returns the releases with a plan of product whose targets actor may see, the newest
// first, without counts of devices for those that have ended. Errors: fleet.NotFound,
// fleet.Unavailable until the index is built.
func (s *Service) Releases(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (views []fleet.ReleaseView, err error) {
	c, err := s.catalogFor(ctx, actor, product)
	if err != nil {
		return nil, err
	}
	for _, r := range c.Releases() {
		if !sees(actor, c, r.Group) {
			continue
		}
		view, err := s.view(actor, c, r)
		if err != nil {
			return nil, err
		}
		views = append(views, view)
	}
	return views, nil
}

// Release returns one of them. Errors as Releases, and fleet.NotFound for an unknown id.
func (s *Service) Release(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.ReleaseID) (fleet.ReleaseView, error) {
	c, r, err := s.visible(ctx, actor, product, id)
	if err != nil {
		return fleet.ReleaseView{}, err
	}
	return s.view(actor, c, r)
}

// See returns fleet.NotFound when actor can't see a release, or there is none.
func (s *Service) See(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.ReleaseID) error {
	_, _, err := s.visible(ctx, actor, product, id)
	return err
}

// Act takes action on a release under way and returns the release as it is then. It requires the
// right to release to its target. Errors: fleet.NotFound, fleet.Denied, fleet.Invalid for an
// unknown action, fleet.Conflict when the release's state does not allow it; fleet.Unavailable
// until the index is built.
func (s *Service) Act(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.ReleaseID, action fleet.ReleaseAction) (fleet.ReleaseView, error) {
	c, r, err := s.visible(ctx, actor, product, id)
	if err != nil {
		return fleet.ReleaseView{}, err
	}
	if err := mayRelease(actor, c, r.Group); err != nil {
		return fleet.ReleaseView{}, err
	}
	if r, err = underWay(c, id); err != nil {
		return fleet.ReleaseView{}, err
	}
	if action == fleet.RevertRelease {
		if err := Revertible(c, &r); err != nil {
			return fleet.ReleaseView{}, err
		}
	}
	n, err := s.countAll(c, &r)
	if err != nil {
		return fleet.ReleaseView{}, err
	}
	_, c, err = s.change(ctx, product, id, func(r fleet.Release) (fleet.Release, error) { return Act(r, action, n, actor.Email) },
		func(before, after fleet.Release) {
			s.counted(product, after, n)
			s.audit.RecordIn(ctx, product, actor, "release."+string(action), id.String(), summary(c, before, n), summary(c, after, n))
		})
	if err != nil {
		return fleet.ReleaseView{}, err
	}
	if r, err = find(actor, c, id); err != nil {
		return fleet.ReleaseView{}, err
	}
	return s.view(actor, c, r)
}

// summary is a release with the numbers of this moment, for the audit log.
func summary(c *fleet.Catalog, r fleet.Release, n fleet.ReleaseCounts) audit.Fields {
	return audit.Fields{
		"product_id": c.Product.ID, "version": r.Version.String(), "group": r.Group, "state": r.State.String(), "share": r.Reached(), "stage": r.Stage + 1,
		"why": r.Why, "targets": n.Targets, "confirmed": n.Confirmed, "failed": n.Failed, "lost": n.Lost, "unhealthy": n.Unhealthy,
	}
}

// view is r as actor sees it.
func (s *Service) view(actor fleet.Actor, c *fleet.Catalog, r fleet.Release) (fleet.ReleaseView, error) {
	v := fleet.ReleaseView{Release: r, Reason: r.Why, Over: over(c, r.ID)}
	v.Whole = !actor.Role.Restricted() || r.Group != 0 && slices.Contains(actor.Groups, r.Group)
	if r.State.Over() || v.Over != 0 {
		return v, nil
	}
	n, err := s.count(actor, c, &r)
	if err != nil {
		return v, err
	}
	if v.Whole {
		s.mu.Lock()
		w := s.watch(key{c.Product.ID, r.ID})
		lose(&n, w.lost)
		n.Unhealthy = w.unhealthy
		s.mu.Unlock()
		v.Reason = Reason(&r, n)
	}
	v.Counts = n
	return v, nil
}

// over returns the release that stands over id, 0 for none.
func over(c *fleet.Catalog, id fleet.ReleaseID) fleet.ReleaseID {
	for _, r := range c.Staged {
		for at := &r; at.Under != nil; at = at.Under {
			if at.Under.ID == id {
				return at.ID
			}
		}
	}
	return 0
}

// Online returns the connected devices whose target r changes and that don't run it.
func (s *Service) Online(c *fleet.Catalog, r *fleet.Release) []fleet.DeviceID {
	yes := true
	ids, err := s.index.IDs(fleet.DeviceQuery{Actor: everyone(c), Product: c.Product.ID, Online: &yes})
	if err != nil {
		return nil // they get it at their next handshake
	}
	return slices.DeleteFunc(ids, func(id fleet.DeviceID) bool {
		e, err := s.index.Entry(id)
		if err != nil || r.Group != 0 && !slices.Contains(e.Groups, r.Group) {
			return true
		}
		target, _, _ := precedence.Decide(precedence.OfEntry(&e), c)
		return !target.Valid() || target.Equal(e.Running)
	})
}

// catalogFor loads product's catalog for an actor who may see it.
func (s *Service) catalogFor(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (*fleet.Catalog, error) {
	c, err := s.catalogs.Catalog(ctx, product)
	if err != nil {
		return nil, err
	}
	return c, fleet.May(actor, fleet.SeeTeam, fleet.Object{Team: c.Product.Team})
}

// visible returns the catalog of a product and one of its releases, if actor sees it.
func (s *Service) visible(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.ReleaseID) (*fleet.Catalog, fleet.Release, error) {
	c, err := s.catalogFor(ctx, actor, product)
	if err != nil {
		return nil, fleet.Release{}, err
	}
	r, err := find(actor, c, id)
	return c, r, err
}

// find returns a release that actor may see.
func find(actor fleet.Actor, c *fleet.Catalog, id fleet.ReleaseID) (fleet.Release, error) {
	for _, r := range c.Releases() {
		if r.ID == id && sees(actor, c, r.Group) {
			return r, nil
		}
	}
	return fleet.Release{}, fleet.Errorf(fleet.NotFound, "no release %s in product %s", id, c.Product.Slug)
}

func sees(actor fleet.Actor, c *fleet.Catalog, target fleet.GroupID) bool {
	return target == 0 || fleet.May(actor, fleet.SeeGroup, fleet.Object{Team: c.Product.Team, Group: target}) == nil
}

func mayRelease(actor fleet.Actor, c *fleet.Catalog, target fleet.GroupID) error {
	if target == 0 {
		return fleet.May(actor, fleet.ReleaseDefault, fleet.Object{Team: c.Product.Team})
	}
	return fleet.May(actor, fleet.ReleaseToGroup, fleet.Object{Team: c.Product.Team, Group: target})
}
