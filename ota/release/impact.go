package release

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// Impact is what Release with this order would do, for an actor who may carry it out: how
// many of the devices that actor sees it gives a target they don't run. It looks at the
// members of the groups concerned, or at the whole product where the default is. Blocked
// also counts members that would be moved if they were not development or locked devices,
// and, of those that are moved or should run the version already, the ones that can't get it now. Errors as Release's, and
// fleet.Unavailable until the index is built. The time it takes grows with the number of
// kinds of devices, not of devices.
func (s *Service) Impact(ctx context.Context, actor fleet.Actor, product fleet.ProductID, order fleet.ReleaseOrder) (fleet.Impact, error) {
	before, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return fleet.Impact{}, err
	}
	groups, err := s.groupsOf(ctx, before)
	if err != nil {
		return fleet.Impact{}, err
	}
	after := clone(before)
	if err := s.apply(actor, after, groups, order); err != nil {
		return fleet.Impact{}, err
	}
	everyone := order.Groups == nil || order.Default != nil && *order.Default || before.Moved(after, 0)
	concerned := make(map[fleet.GroupID]bool)
	for _, g := range before.MovedGroups(after) {
		concerned[g] = true
	}
	if order.Groups != nil {
		for _, g := range *order.Groups {
			concerned[g] = true
		}
	}
	t := newSum(before, after, s.ota.MaxAttempts())
	t.released = order.Version
	err = s.index.Count(actor, product, t.contrast.splits(), func(e *fleet.IndexEntry, devices int) {
		if everyone || inAny(e.Groups, concerned) {
			t.add(e, e, devices)
		}
	})
	if err != nil || t.mayWait == 0 {
		return t.impact(), err
	}
	impact := t.impact()
	impact.Cooling, err = s.coolingAmong(ctx, actor, product, t, func(e *fleet.IndexEntry) bool {
		return (everyone || inAny(e.Groups, concerned)) && t.contrast.targets(e).after.Equal(order.Version) && t.mayCool(e, e)
	})
	impact.Due -= impact.Cooling.Devices
	return impact, err
}

// Preview is the impact of changing devices, as change does it to a copy of their index
// entries: groups, lock, development. It looks at the devices of product among ids or,
// where ids is nil, at all that change alters, which then must not depend on more than a
// device's groups, versions and marks; as far as actor sees them. The caller checks that
// actor may make the change. Errors: fleet.Unavailable until the index is built.
func (s *Service) Preview(ctx context.Context, actor fleet.Actor, product fleet.ProductID, ids []fleet.DeviceID, change func(*fleet.IndexEntry)) (fleet.Impact, error) {
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return fleet.Impact{}, err
	}
	t := newSum(c, c, s.ota.MaxAttempts())
	var mayWait []fleet.DeviceID
	if ids == nil {
		splits := t.contrast.splits()
		for i := range splits {
			splits[i].Group = 0 // change may put any device into the group
		}
		err = s.index.Count(actor, product, splits, func(e *fleet.IndexEntry, devices int) {
			changed := *e
			if change(&changed); altered(e, &changed) {
				t.add(e, &changed, devices)
			}
		})
		return t.impact(), err
	}
	for _, id := range fleet.DevicesIn(actor.Team, ids) {
		e, err := s.index.Entry(id)
		if errors.Is(err, fleet.NotFound) {
			continue
		}
		if err != nil {
			return fleet.Impact{}, err
		}
		if e.Product == product && s.sees(actor, c.Product.Team, &e) {
			changed := e
			change(&changed)
			t.add(&e, &changed, 1)
			if !changed.Lock.IsZero() && t.mayCool(&e, &changed) {
				mayWait = append(mayWait, id)
			}
		}
	}
	impact := t.impact()
	impact.Cooling, err = s.cooling(ctx, mayWait)
	return impact, err
}

func altered(a, b *fleet.IndexEntry) bool {
	return a.Development != b.Development || a.Lock != b.Lock || a.Force != b.Force || a.Disabled != b.Disabled ||
		!slices.Equal(a.Groups, b.Groups)
}

func inAny(groups []fleet.GroupID, set map[fleet.GroupID]bool) bool {
	return slices.ContainsFunc(groups, func(g fleet.GroupID) bool { return set[g] })
}

// sum adds up the impact of a change, device by device.
type sum struct {
	contrast    *contrast
	maxAttempts int
	released    fleet.Version // by a release
	total, of   int
	due         int
	mayWait     int // of due: for a cool-down, if it is not over
	online      int
	ends        int
	moves       map[move]int
	byVersion   map[fleet.Version]int
	blocked     map[string]int
}

// move is what a device runs and what it will receive.
type move struct{ from, to fleet.Version }

func newSum(before, after *fleet.Catalog, maxAttempts int) *sum {
	return &sum{
		contrast: newContrast(before, after), maxAttempts: maxAttempts,
		moves: make(map[move]int), byVersion: make(map[fleet.Version]int), blocked: make(map[string]int),
	}
}

// add counts devices with the same entry; old and new are that entry before and after the
// change.
func (t *sum) add(old, new *fleet.IndexEntry, devices int) {
	t.of += devices
	from := t.contrast.targets(old)
	to := from
	if new != old {
		to = t.contrast.targets(new)
	}
	if old.Update.Running() && old.UpdateTarget.Equal(from.before) && !old.UpdateTarget.Equal(to.after) {
		t.ends += devices
	}
	if sends(from.before, to.after, new.Running) {
		t.total += devices
		t.moves[move{new.Running, to.after}] += devices
		if new.Online {
			t.online += devices
		}
		t.byVersion[to.after] += devices
		if reason := t.obstacle(new, to.after, true); reason != "" {
			t.blocked[reason] += devices
		}
		return
	}
	restricted := new.Development || !new.Lock.IsZero()
	if to.after.Equal(t.released) && from.before.Equal(t.released) && !new.Running.Equal(t.released) {
		if reason := t.obstacle(new, to.after, false); reason == "" {
			t.due += devices
			if t.mayCool(old, new) {
				t.mayWait += devices
			}
		} else if !restricted {
			t.blocked[reason] += devices
		}
	}
	if !restricted {
		return
	}
	if sends(t.contrast.released(old).before, t.contrast.released(new).after, new.Running) {
		if new.Development {
			t.blocked["development"] += devices
		} else {
			t.blocked["locked"] += devices
		}
	}
}

// sends reports whether a change of target sends a device something it does not run.
func sends(before, after, running fleet.Version) bool {
	return after.Valid() && !after.Equal(before) && !after.Equal(running)
}

// obstacle is why a device can't get target now, "" when it can. A target that is new to the
// device has no attempts.
func (t *sum) obstacle(e *fleet.IndexEntry, target fleet.Version, isNew bool) string {
	c := precedence.CandidateFor(e, t.contrast.after, target)
	c.MaxAttempts = t.maxAttempts
	if isNew {
		c.Attempts = fleet.Attempts{}
	}
	return c.Obstacle()
}

func (t *sum) impact() fleet.Impact {
	impact := fleet.Impact{Total: t.total, Of: t.of, Due: t.due, Online: t.online, Ends: t.ends}
	for m, devices := range t.moves {
		impact.Moves = append(impact.Moves, fleet.MoveCount{From: m.from, To: m.to, Devices: devices})
	}
	fleet.SortMoves(impact.Moves)
	for _, v := range slices.SortedFunc(maps.Keys(t.byVersion), func(a, b fleet.Version) int {
		return cmp.Or(b.Compare(a), strings.Compare(b.String(), a.String()))
	}) {
		impact.ByVersion = append(impact.ByVersion, fleet.VersionCount{Version: v, Devices: t.byVersion[v]})
	}
	for _, reason := range slices.Sorted(maps.Keys(t.blocked)) {
		impact.Blocked = append(impact.Blocked, fleet.ReasonCount{Reason: reason, Devices: t.blocked[reason]})
	}
	return impact
}

// Progress is how far v has come among the devices that should run it and that actor sees.
// Errors: fleet.NotFound, fleet.Unavailable until the index is built.
func (s *Service) Progress(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version) (fleet.Progress, error) {
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return fleet.Progress{}, err
	}
	f, err := find(c, v)
	if err != nil {
		return fleet.Progress{}, err
	}
	progress := fleet.Progress{Version: f.Version, States: make(map[fleet.UpdateState]int)}
	targets := newContrast(c, c)
	err = s.index.Count(actor, product, targets.splits(), func(e *fleet.IndexEntry, devices int) {
		if !targets.targets(e).after.Equal(v) {
			return
		}
		progress.Devices += devices
		switch {
		case e.Running.Equal(v):
			progress.Running += devices
		case e.MovesTo(v):
			progress.States[e.Update] += devices
		default:
			progress.States[fleet.NoUpdate] += devices
		}
	})
	return progress, err
}
