// Package remaining names the devices that don't run their target yet, and why: for whom a release
// waits, and a person who watches it.
package remaining

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/store"
)

// maxPage is the longest page of devices, and the most of one cause that are named.
const maxPage = 100

// Config is what a Service works with.
type Config struct {
	Catalogs    *store.Catalogs
	Index       *index.Index
	Pace        *pace.Pace // of the releases with a plan
	MaxAttempts int        // failed attempts per device and target
}

// Service answers for operators. It is safe for concurrent use.
type Service struct{ Config }

// New returns a Service.
func New(config Config) *Service { return &Service{config} }

// Query selects devices that don't run their target. Zero fields select all of a product.
type Query struct {
	Product fleet.ProductID
	Version fleet.Version   // their target
	Release fleet.ReleaseID // with a plan; it gave them their target
	Cause   string          // as in Cause
}

// Cause is why some devices don't run their target yet.
type Cause struct {
	Name    string           // one word: see Text
	Devices int              // that have this cause; each device has one
	First   []fleet.DeviceID // by id
}

// Device is a device that does not run its target.
type Device struct {
	ID      fleet.DeviceID
	Running fleet.Version // zero: not known
	Target  fleet.Version
	Cause   string
	Online  bool
}

// Causes counts the devices that q selects and actor sees by why they don't run their target yet,
// the most frequent cause first, and names up to first devices of each, at most 100. Errors:
// fleet.NotFound for a product or a release that actor can't see; fleet.Unavailable until the index
// is built.
func (s *Service) Causes(ctx context.Context, actor fleet.Actor, q Query, first int) ([]Cause, error) {
	j, err := s.judge(ctx, actor, q)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int)
	if err := s.Index.Count(actor, q.Product, j.catalog.Splits(), func(e *fleet.IndexEntry, devices int) {
		if _, cause := j.look(e); cause != "" {
			counts[cause] += devices
		}
	}); err != nil {
		return nil, err
	}
	var causes []Cause
	for name, devices := range counts {
		c := Cause{Name: name, Devices: devices}
		if first > 0 {
			if c.First, err = s.Index.IDs(j.devices(actor, name, "", min(first, maxPage))); err != nil {
				return nil, err
			}
		}
		causes = append(causes, c)
	}
	slices.SortFunc(causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Devices, a.Devices), strings.Compare(a.Name, b.Name))
	})
	return causes, nil
}

// Devices lists the devices that q selects and actor sees by id, from the one after the id after,
// up to limit or 100; and the cursor of the next page, "" on the last. A device that is there, and
// selected, the whole time is on exactly one page, whatever becomes of others meanwhile. Errors as
// Causes, and fleet.Invalid for a broken cursor.
func (s *Service) Devices(ctx context.Context, actor fleet.Actor, q Query, after string, limit int) (list []Device, next string, err error) {
	if _, err := fleet.ParseDeviceID(after); after != "" && err != nil {
		return nil, "", fleet.FieldErrorf("after", "cursor %.40q is not one of this list: start again without it", after)
	}
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	j, err := s.judge(ctx, actor, q)
	if err != nil {
		return nil, "", err
	}
	ids, err := s.Index.IDs(j.devices(actor, q.Cause, after, limit+1))
	if err != nil {
		return nil, "", err
	}
	if len(ids) > limit {
		ids = ids[:limit]
		next = ids[limit-1].String()
	}
	for _, id := range ids {
		e, err := s.Index.Entry(id)
		if err != nil {
			continue // it was deleted meanwhile
		}
		if target, cause := j.look(&e); cause != "" && (q.Cause == "" || cause == q.Cause) {
			list = append(list, Device{ID: id, Running: e.Running, Target: target, Cause: cause, Online: e.Online})
		}
	}
	return list, next, nil
}

// Where returns a condition for fleet.DeviceQuery: q selects the device. It is valid for one query,
// by the catalog as it is now. Errors as Causes.
func (s *Service) Where(ctx context.Context, actor fleet.Actor, q Query) (fleet.Where, error) {
	j, err := s.judge(ctx, actor, q)
	if err != nil {
		return fleet.Where{}, err
	}
	return j.where(q.Cause), nil
}

// judge decides about devices by one catalog, at one time.
type judge struct {
	*Service
	query   Query
	catalog *fleet.Catalog
	now     time.Time
	plans   map[fleet.ReleaseID]*fleet.Release // under way, at targets that the actor sees
}

func (s *Service) judge(ctx context.Context, actor fleet.Actor, q Query) (*judge, error) {
	c, err := s.Catalogs.Catalog(ctx, q.Product)
	if err != nil {
		return nil, err
	}
	if err := fleet.May(actor, fleet.SeeTeam, fleet.Object{Team: c.Product.Team}); err != nil {
		return nil, err
	}
	sees := func(target fleet.GroupID) bool {
		return target == 0 || fleet.May(actor, fleet.SeeGroup, fleet.Object{Team: c.Product.Team, Group: target}) == nil
	}
	j := &judge{Service: s, query: q, catalog: c, now: time.Now(), plans: make(map[fleet.ReleaseID]*fleet.Release)}
	for target, r := range maps.All(c.Staged) {
		if sees(target) {
			j.plans[r.ID] = &r
		}
	}
	if q.Release != 0 && !slices.ContainsFunc(c.Releases(), func(r fleet.Release) bool { return r.ID == q.Release && sees(r.Group) }) {
		return nil, fleet.Errorf(fleet.NotFound, "no release %s in product %s", q.Release, c.Product.Slug)
	}
	return j, nil
}

// look returns the target of the device of e and why it does not run it yet; no cause if it does,
// or if the query is about another target.
func (j *judge) look(e *fleet.IndexEntry) (target fleet.Version, cause string) {
	facts := precedence.OfEntry(e)
	target, reason, winner := precedence.Decide(facts, j.catalog)
	if !target.Valid() || e.Running.Equal(target) || !j.query.Version.IsZero() && !target.Equal(j.query.Version) {
		return target, ""
	}
	release := precedence.Staged(facts, j.catalog, target, reason, winner)
	if j.query.Release != 0 && release != j.query.Release {
		return target, ""
	}
	d := precedence.CandidateFor(e, j.catalog, target)
	d.MaxAttempts, d.Now = j.MaxAttempts, j.now
	if r := j.plans[release]; r != nil {
		d.By(r)
		d.Room = func() precedence.Full {
			return j.Pace.Look(pace.Key{Product: j.query.Product, Release: r.ID}, r.Plan.Limits, pace.DevicesOf(e), j.now)
		}
	}
	return target, d.Cause(e)
}

// where is the condition that a device has a cause, "" for any.
func (j *judge) where(cause string) fleet.Where {
	return fleet.Where{Splits: j.catalog.Splits(), Holds: func(e *fleet.IndexEntry) bool {
		_, is := j.look(e)
		return is != "" && (cause == "" || is == cause)
	}}
}

func (j *judge) devices(actor fleet.Actor, cause, after string, limit int) fleet.DeviceQuery {
	return fleet.DeviceQuery{Actor: actor, Product: j.query.Product, Where: j.where(cause), After: after, Limit: limit}
}
