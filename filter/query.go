package filter

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/ota/remaining"
	"github.com/muster-iot/muster/ota/rollout"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/store/filters"
)

// Config is what a Service works with.
type Config struct {
	Registry  *registry.Registry
	Releases  *release.Service
	Rollouts  *rollout.Service
	Remaining *remaining.Service
	Saved     *filters.Filters
	Audit     *audit.Log
}

// Service answers what filters select, and saves them. It is safe for concurrent use.
type Service struct{ Config }

// New returns a Service.
func New(c Config) *Service { return &Service{c} }

// Query returns the devices that a filter selects of a product; product 0: of all. It returns
// fleet.Invalid for a field that can't be, for one about targets without their product, and for
// groups that actor does not see.
func (s *Service) Query(ctx context.Context, actor fleet.Actor, product fleet.ProductID, f Fields) (fleet.DeviceQuery, error) {
	q := fleet.DeviceQuery{Actor: actor, Product: product, Text: f.Search}
	for _, step := range []func(context.Context, Fields, *fleet.DeviceQuery) error{choices, s.groups, versions, s.states, s.targets} {
		if err := step(ctx, f, &q); err != nil {
			return q, err
		}
	}
	return q, nil
}

func choices(_ context.Context, f Fields, q *fleet.DeviceQuery) (err error) {
	read := func(field, text string) *bool {
		yes, wrong := choice(field, text)
		err = cmp.Or(err, wrong)
		return yes
	}
	q.Online, q.Development, q.Locked = read("online", f.Online), read("development", f.Development), read("locked", f.Locked)
	none := read("nogroup", f.NoGroup)
	q.NoGroup = none != nil && *none
	return err
}

func (s *Service) groups(ctx context.Context, f Fields, q *fleet.DeviceQuery) error {
	if len(f.Groups) == 0 {
		return nil
	}
	names, err := s.Registry.GroupNames(ctx, q.Actor, q.Product)
	if err != nil {
		return err
	}
	ids := make(map[string]fleet.GroupID, len(names))
	for id, name := range names {
		ids[name] = id
	}
	for _, name := range f.Groups {
		id, ok := ids[name]
		if !ok {
			return fleet.FieldErrorf("group", "no such group: %.80s", name)
		}
		q.Groups = append(q.Groups, id)
	}
	return nil
}

func versions(_ context.Context, f Fields, q *fleet.DeviceQuery) (err error) {
	if f.Version == NoVersion {
		q.NoVersion = true
	} else if f.Version != "" {
		if q.Version, err = fleet.ParseVersion(f.Version); err != nil {
			return err
		}
	}
	if f.To != "" {
		q.UpdateTo, err = fleet.ParseVersion(f.To)
	}
	return err
}

// states adds what a filter asks of a device apart from its target.
func (s *Service) states(ctx context.Context, f Fields, q *fleet.DeviceQuery) (err error) {
	if f.Fact != "" {
		fact, err := fleet.ParseFact(f.Fact)
		if err != nil {
			return err
		}
		q.Facts = []fleet.Fact{fact}
	}
	if f.Silent != "" {
		days, err := strconv.ParseUint(f.Silent, 10, 16)
		if err != nil || days == 0 {
			return fleet.FieldErrorf("silent", "silent for %.20q: use a number of days", f.Silent)
		}
		q.Silent = time.Now().AddDate(0, 0, -int(days))
	}
	if f.Kind != "" {
		kind, err := kindNamed(f.Kind)
		if err != nil {
			return err
		}
		q.Kinds = []fleet.DeviceKind{kind}
	}
	if f.Update != "" {
		outcome, err := UpdateChoiceOf(f.Update)
		if err != nil {
			return err
		}
		q.Updates = outcome.States
	}
	if f.Alert != "" {
		q.IDs, err = s.alerted(ctx, q.Actor, f.Alert)
	}
	return err
}

// alerted returns the devices with an active alert of this name. A team has 10,000 alerts at most.
func (s *Service) alerted(ctx context.Context, actor fleet.Actor, name string) ([]fleet.DeviceID, error) {
	ids := []fleet.DeviceID{}
	q := fleet.AlertQuery{Team: actor.Team, Limit: 100}
	for {
		alerts, next, err := s.Registry.Alerts(ctx, actor, q)
		if err != nil {
			return nil, err
		}
		for _, a := range alerts {
			if a.Name == name && a.Device != "" {
				ids = append(ids, a.Device)
			}
		}
		if q.After = next; next == "" {
			break
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// targets adds what a filter asks about targets.
func (s *Service) targets(ctx context.Context, f Fields, q *fleet.DeviceQuery) (err error) {
	if q.Product == 0 {
		return f.aboutNoTarget()
	}
	if f.Release == "" && (f.Part != "" || f.Cause != "") {
		return fleet.FieldErrorf("release", "part and cause are about a release: add release, its number")
	}
	if f.Left == "" && f.Target != "" {
		return fleet.FieldErrorf("left", "target is about devices that are left: add left, such as left=any")
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
		also(s.Releases.Concerned(ctx, q.Actor, q.Product, fleet.Concern(f.Concern)))
	}
	if f.Release != "" {
		id, wrong := strconv.ParseUint(f.Release, 10, 32)
		if wrong != nil {
			return fleet.FieldErrorf("release", "a release is a number: %.40s", f.Release)
		}
		also(s.Rollouts.Where(ctx, q.Actor, q.Product, fleet.ReleaseID(id), fleet.ReleasePart(f.Part), f.Cause))
	}
	if f.Reason != "" {
		code, wrong := strconv.ParseUint(f.Reason, 10, 16)
		if wrong != nil {
			return fleet.FieldErrorf("reason", "a reason is a number: %.40s", f.Reason)
		}
		also(s.Releases.Wrong(ctx, q.Actor, q.Product, fleet.ReasonCode(code)))
	}
	if f.Left != "" {
		left := remaining.Query{Product: q.Product, Cause: f.Left}
		if f.Left == AnyCause {
			left.Cause = ""
		}
		if f.Target != "" {
			if left.Version, err = fleet.ParseVersion(f.Target); err != nil {
				return err
			}
		}
		also(s.Remaining.Where(ctx, q.Actor, left))
	}
	if f.Update == "wrong" {
		also(s.Releases.Wrong(ctx, q.Actor, q.Product, 0))
	}
	return err
}

// ofOneProduct are the fields about targets, which are a product's.
var ofOneProduct = []string{"concern", "release", "part", "cause", "reason", "left", "target"}

// aboutNoTarget returns fleet.Invalid if f asks about targets.
func (f Fields) aboutNoTarget() error {
	fields := f.names()
	for _, name := range ofOneProduct {
		if *fields[name] != "" {
			return fleet.FieldErrorf(name, "%s is about the devices of one product: choose a product", name)
		}
	}
	return nil
}

// OfAllProducts returns f without what it asks about targets.
func (f Fields) OfAllProducts() Fields {
	fields := f.names()
	for _, name := range ofOneProduct {
		*fields[name] = ""
	}
	return f
}

// both is the condition that a holds, which may be nil, and b.
func both(a, b func(*fleet.IndexEntry) bool) func(*fleet.IndexEntry) bool {
	if a == nil {
		return b
	}
	return func(e *fleet.IndexEntry) bool { return a(e) && b(e) }
}
