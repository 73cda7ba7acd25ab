package release

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/rollout"
)

// Release carries out order in product and returns the version with where it is released
// now, as far as actor may see. The order's groups and default are absolute for that
// version; an order with neither makes it the product default; for an editor the groups
// cover only those they hold. Devices get it at their next handshake; with order.Now those
// online that should run it and don't are passed to Config.Changed, once. Errors:
// fleet.NotFound for an unknown version or group, fleet.Invalid for a group of another
// product, fleet.Denied by group and default; fleet.Unavailable also when the image of a version
// that is released at a new target can't be read, and when order.Now could not be done because
// the index is not built.
func (s *Service) Release(ctx context.Context, actor fleet.Actor, product fleet.ProductID, order fleet.ReleaseOrder) (fleet.FirmwareView, error) {
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return fleet.FirmwareView{}, err
	}
	groups, err := s.groupsOf(ctx, c)
	if err != nil {
		return fleet.FirmwareView{}, err
	}
	if err := s.apply(actor, clone(c), groups, order); err != nil { // before an image is read for nothing
		return fleet.FirmwareView{}, err
	}
	if err := s.readable(ctx, c, order); err != nil {
		return fleet.FirmwareView{}, err
	}
	var before *fleet.Catalog
	c, err = s.catalogs.EditCatalog(ctx, product, func(c *fleet.Catalog) error {
		before = clone(c)
		if order.Now {
			c.Immediate.Version = order.Version
		}
		return s.apply(actor, c, groups, order)
	})
	if err != nil {
		return fleet.FirmwareView{}, err
	}
	s.recordRelease(ctx, actor, order, before, c)
	var now []fleet.DeviceID
	if order.Now {
		now, err = s.Online(c, order.Version)
	}
	s.changed(product, now)
	if err != nil {
		return fleet.FirmwareView{}, fmt.Errorf("released, but only for the next handshakes: %w", err)
	}
	view, err := s.released(actor, c, order.Version)
	if err != nil {
		return view, err
	}
	view.Cooling, err = s.coolingAt(ctx, actor, c, order.Version)
	if errors.Is(err, fleet.Unavailable) { // it is released all the same
		err = nil
	}
	return view, err
}

// apply applies order to c, which it may modify. known are the groups that c's devices
// can be in.
func (s *Service) apply(actor fleet.Actor, c *fleet.Catalog, known map[fleet.GroupID]fleet.Group, order fleet.ReleaseOrder) error {
	if actor.Role < fleet.Editor { // an order that names no group and changes no default is not checked below
		if err := fleet.May(actor, fleet.ReleaseDefault, fleet.Object{Team: c.Product.Team}); err != nil {
			return err
		}
	}
	f, err := find(c, order.Version)
	if err != nil {
		return err
	}
	if err := fleet.Unchanged("releases in this product", order.If, tagOf(actor, c, f)); err != nil {
		return err
	}
	if order.Groups == nil && order.Default == nil {
		yes := true
		order.Default = &yes
	}
	if order.Groups != nil {
		if err := releaseToGroups(actor, c, known, f.Version, *order.Groups); err != nil {
			return err
		}
	}
	if order.Default != nil {
		if err := releaseAsDefault(actor, c, f.Version, *order.Default); err != nil {
			return err
		}
	}
	if err := s.stand(actor, c, known, f.Version, order); err != nil {
		return err
	}
	if isReleased(c, f.Version) && !f.WasReleased {
		f.WasReleased = true
		c.Firmware[f.Version.Key()] = f
	}
	return nil
}

func releaseToGroups(actor fleet.Actor, c *fleet.Catalog, known map[fleet.GroupID]fleet.Group, v fleet.Version, groups []fleet.GroupID) error {
	for _, g := range groups {
		if err := mayGroup(actor, fleet.ReleaseToGroup, c, g); err != nil {
			return err
		}
		group, ok := known[g]
		if !ok {
			return fleet.Errorf(fleet.NotFound, "no such group")
		}
		if group.Product != 0 && group.Product != c.Product.ID {
			return fleet.FieldErrorf("groups", "group %s belongs to another product", group.Name)
		}
	}
	for g, released := range maps.Clone(c.Groups) {
		if released.Equal(v) && !slices.Contains(groups, g) && mayGroup(actor, fleet.ReleaseToGroup, c, g) == nil {
			c.Withdraw(g, time.Now())
		}
	}
	return nil
}

// releaseAsDefault checks that actor may make v the product default, or no longer, and ends the
// latter. An order that v is not the default, when it isn't, changes nothing and requires no
// right.
func releaseAsDefault(actor fleet.Actor, c *fleet.Catalog, v fleet.Version, is bool) error {
	if !is && !c.Default.Equal(v) {
		return nil
	}
	if err := fleet.May(actor, fleet.ReleaseDefault, fleet.Object{Team: c.Product.Team}); err != nil {
		return err
	}
	if !is {
		c.Withdraw(0, time.Now())
	}
	return nil
}

// stand releases v at the targets of order: in place of what stands there, or with a plan, over
// it. A target at which v is released already, also with a plan, stays as it is.
func (s *Service) stand(actor fleet.Actor, c *fleet.Catalog, known map[fleet.GroupID]fleet.Group, v fleet.Version, order fleet.ReleaseOrder) error {
	added := added(c, v, order)
	now := time.Now().UTC()
	if order.Plan == nil {
		for _, target := range added {
			c.Stand(target, v, now)
		}
		return nil
	}
	if err := CheckPlan(order.Plan); err != nil {
		return err
	}
	if first := order.Plan.Stages[0].Group; first != 0 {
		if _, ok := known[first]; !ok {
			return fleet.Errorf(fleet.NotFound, "no such group")
		}
		if err := mayGroup(actor, fleet.ReleaseToGroup, c, first); err != nil {
			return err
		}
	}
	if len(added) != 1 {
		return fleet.FieldErrorf("plan", "a plan needs exactly one new target, a group or the product default; this order adds %d", len(added))
	}
	r, err := c.Begin(fleet.Release{Group: added[0], Version: v, Plan: order.Plan.Clone(), By: actor.Email, Now: order.Now}, now)
	if err != nil {
		return err
	}
	if order.Plan.Revert {
		if err := rollout.Revertible(c, &r); err != nil {
			return err
		}
	}
	if err := rollout.Spread(s.index, c, &r); err != nil {
		return err
	}
	if err := rollout.Few(s.index, c, &r); err != nil {
		return err
	}
	c.SetStaged(r)
	return nil
}

// added are the targets at which order releases v, and c does not.
func added(c *fleet.Catalog, v fleet.Version, order fleet.ReleaseOrder) (targets []fleet.GroupID) {
	if order.Groups != nil {
		targets = slices.Clone(*order.Groups)
	}
	if order.Default != nil && *order.Default || order.Groups == nil && order.Default == nil {
		targets = append(targets, 0)
	}
	return slices.DeleteFunc(targets, func(target fleet.GroupID) bool { return c.At(target).Equal(v) })
}

// recordRelease writes an order that was carried out to the audit log, and announces it.
func (s *Service) recordRelease(ctx context.Context, actor fleet.Actor, order fleet.ReleaseOrder, before, after *fleet.Catalog) {
	s.audit.RecordIn(ctx, after.Product.ID, actor, "firmware.release", order.Version.String(), targets(before), targets(after))
	groups := before.MovedGroups(after)
	s.announce(event.Event{
		Payload: event.FirmwareReleased{Version: order.Version, Immediate: order.Now, Default: after.Default.Equal(order.Version)},
		Team:    actor.Team, Product: after.Product.ID, At: time.Now(),
		Groups: groups, Wide: before.Moved(after, 0) || len(groups) == 0,
	})
}

// targets is what is released in c, for the audit log.
func targets(c *fleet.Catalog) audit.Fields {
	groups := make(map[string]string, len(c.Groups))
	for g := range c.Groups {
		groups[g.String()] = standing(c, g)
	}
	return audit.Fields{"product_id": c.Product.ID, "product_default": standing(c, 0), "groups": groups}
}

// standing is what is released at a target, in words.
func standing(c *fleet.Catalog, target fleet.GroupID) string {
	text := c.At(target).String()
	if r, staged := c.Staged[target]; staged {
		text += " (release " + r.ID.String() + ", " + r.State.String() + " at " + r.Reached() + ")"
	}
	return text
}

// isReleased reports whether v is released anywhere in c.
func isReleased(c *fleet.Catalog, v fleet.Version) bool {
	if c.Default.Equal(v) {
		return true
	}
	for _, released := range c.Groups {
		if released.Equal(v) {
			return true
		}
	}
	return false
}

// clone copies as much of c as apply modifies.
func clone(c *fleet.Catalog) *fleet.Catalog {
	copied := *c
	copied.Groups, copied.Firmware = maps.Clone(c.Groups), maps.Clone(c.Firmware)
	copied.Staged, copied.Ended = maps.Clone(c.Staged), maps.Clone(c.Ended)
	return &copied
}

// groupsOf are the groups that devices of c's product can be in, by id.
func (s *Service) groupsOf(ctx context.Context, c *fleet.Catalog) (map[fleet.GroupID]fleet.Group, error) {
	list, err := s.teams.Groups(ctx, c.Product.Team)
	if err != nil {
		return nil, err
	}
	groups := make(map[fleet.GroupID]fleet.Group, len(list))
	for _, g := range list {
		groups[g.ID] = g
	}
	return groups, nil
}

// Online returns the connected devices that should run v by c and don't. Errors: fleet.Unavailable until
// the index is built.
func (s *Service) Online(c *fleet.Catalog, v fleet.Version) ([]fleet.DeviceID, error) {
	yes := true
	all := fleet.Actor{Team: c.Product.Team, Role: fleet.Owner} // a release also reaches devices that its author does not see
	ids, err := s.index.IDs(fleet.DeviceQuery{Actor: all, Product: c.Product.ID, Online: &yes})
	targets := newContrast(c, c)
	return slices.DeleteFunc(ids, func(id fleet.DeviceID) bool {
		e, err := s.index.Entry(id)
		return err != nil || e.Running.Equal(v) || !targets.targets(&e).after.Equal(v)
	}), err
}
