package rollout

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
)

const (
	interval     = time.Second      // between two looks at a release
	maxObserved  = 5 * interval     // counted for one look, however long the process was stopped
	maxUnsaved   = 10 * time.Second // observed time that a kill may lose, or a tenth of a short hold
	searchEvery  = time.Minute      // for products with releases that another process made
	systemAuthor = "muster"         // in the audit log
)

// Run looks after all releases under way until ctx ends. What fails is logged and tried again.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var searched time.Time
	for {
		if time.Since(searched) >= searchEvery {
			if err := s.search(ctx); err == nil {
				searched = time.Now()
			} else if ctx.Err() == nil && !errors.Is(err, fleet.Unavailable) { // the store logs once that it can't be used
				s.log.Warn("releases not looked for", "err", err)
			}
		}
		s.mu.Lock()
		products := slices.Sorted(maps.Keys(s.products))
		s.mu.Unlock()
		for _, product := range products {
			if err := s.look(ctx, product); err != nil && ctx.Err() == nil && !errors.Is(err, fleet.Unavailable) {
				s.log.Warn("a release is not looked after", "product", product, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// search finds the products that have releases under way.
func (s *Service) search(ctx context.Context) error {
	teams, err := s.teams.AllTeams(ctx)
	if err != nil {
		return err
	}
	for _, team := range teams {
		products, err := s.catalogs.Products(ctx, team)
		if err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
		for _, p := range products {
			if c, err := s.catalogs.Catalog(ctx, p.ID); err == nil && len(c.Staged) > 0 {
				s.Watch(p.ID)
			}
		}
	}
	return nil
}

// look moves product's releases on.
func (s *Service) look(ctx context.Context, product fleet.ProductID) error {
	c, err := s.catalogs.Catalog(ctx, product)
	if err != nil && !errors.Is(err, fleet.NotFound) {
		return err
	}
	if err != nil || len(c.Staged) == 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.products, product)
		delete(s.health, product)
		maps.DeleteFunc(s.watched, func(k key, _ *watch) bool {
			if k.product == product {
				s.pace.Forget(pace.Key{Product: product, Release: k.release})
			}
			return k.product == product
		})
		return nil
	}
	s.listen(c, time.Now())
	var errs []error
	for _, target := range slices.Sorted(maps.Keys(c.Staged)) {
		errs = append(errs, s.observe(ctx, c, c.Staged[target]))
	}
	return errors.Join(errs...)
}

// observe looks at one release, and writes what becomes of it. Observed time alone is written
// now and then.
func (s *Service) observe(ctx context.Context, c *fleet.Catalog, r fleet.Release) error {
	leads := s.leads()
	if leads {
		if err := s.raise(ctx, c, r); err != nil { // the process ended before it did
			return err
		}
	}
	n, err := s.countAll(c, &r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	w := s.watch(key{c.Product.ID, r.ID})
	if !leads {
		w.seen = time.Time{}
		s.mu.Unlock()
		return nil
	}
	now := s.now()
	if !w.seen.IsZero() {
		w.unsaved += min(now.Sub(w.seen), maxObserved)
	}
	w.seen = now
	observed := w.unsaved
	s.mu.Unlock()

	due := s.clock.Now() // for the start
	next := Next(r, n, observed, due)
	s.counted(c.Product.ID, next, n)
	switch {
	case moved(&r, &next) || next.Held != r.Held && observed >= min(maxUnsaved, r.Plan.Stages[r.Stage].Hold/10):
	case next.Held == r.Held: // nothing is held now: this time must not count for a later stage
		s.forget(w, observed)
		return nil
	default:
		return nil
	}
	muster := fleet.Actor{Team: c.Product.Team, Email: systemAuthor}
	if moved(&r, &next) { // no request of an actor
		end, err := s.audit.Begin(muster, "release "+r.ID.String()+" in product "+c.Product.Slug)
		if err != nil {
			return err
		}
		defer end()
	}
	after, c, err := s.change(ctx, c.Product.ID, r.ID, func(r fleet.Release) (fleet.Release, error) { return Next(r, n, observed, due), nil },
		func(before, after fleet.Release) {
			s.audit.RecordIn(ctx, c.Product.ID, muster, "release."+after.State.String(), after.ID.String(),
				summary(c, before, n), summary(c, after, n))
		})
	if errors.Is(err, fleet.NotFound) || errors.Is(err, fleet.Conflict) { // an operator ended it, or released over it
		return nil
	}
	if err != nil {
		return err
	}
	s.forget(w, observed)
	return s.raise(ctx, c, after)
}

// forget takes observed time off what is not saved.
func (s *Service) forget(w *watch, observed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.unsaved -= observed
}

// watch returns what is known of a release; the caller holds s.mu.
func (s *Service) watch(k key) *watch {
	w := s.watched[k]
	if w == nil {
		w = &watch{away: make(absences), sick: make(map[fleet.DeviceID]bool)}
		s.watched[k] = w
	}
	return w
}

// countAll counts all devices of r, the lost ones as lost.
func (s *Service) countAll(c *fleet.Catalog, r *fleet.Release) (fleet.ReleaseCounts, error) {
	mark, now := s.pace.Mark(), s.now()
	n, err := s.count(everyone(c), c, r)
	if err != nil {
		return n, err
	}
	restarting, err := s.restarting(c, r)
	if err != nil {
		return n, err
	}
	s.mu.Lock()
	w := s.watch(key{c.Product.ID, r.ID})
	lost := w.away.lost(restarting, r.Plan.Halt.Return, now)
	w.lost = len(lost)
	s.mu.Unlock()
	lose(&n, len(lost))
	n.Unhealthy = s.unhealthy(c, r, n, now)
	s.mu.Lock()
	w.unhealthy = n.Unhealthy
	s.mu.Unlock()
	return n, s.stand(c, r, n, lost, mark, now)
}

// lose counts devices that restart as lost.
func lose(n *fleet.ReleaseCounts, lost int) {
	n.Lost = min(lost, n.Updating[fleet.Applying])
	n.Updating[fleet.Applying] -= n.Lost
}

// moved reports whether a release differs in more than how long it was observed.
func moved(a, b *fleet.Release) bool {
	return a.State != b.State || a.Share != b.Share || a.Stage != b.Stage
}

// change writes what decide makes of a release under way, and notifies everyone who depends on
// it. record is called with both states where more than the observed time changed. It returns
// the release and its catalog as they are now. Errors: fleet.NotFound when it is not under way.
func (s *Service) change(ctx context.Context, product fleet.ProductID, id fleet.ReleaseID,
	decide func(fleet.Release) (fleet.Release, error), record func(before, after fleet.Release),
) (fleet.Release, *fleet.Catalog, error) {
	var before, after fleet.Release
	c, err := s.catalogs.EditCatalog(ctx, product, func(c *fleet.Catalog) (err error) {
		if before, err = underWay(c, id); err != nil {
			return err
		}
		if after, err = decide(before); err != nil {
			return err
		}
		return s.put(c, &before, &after)
	})
	if err != nil || !moved(&before, &after) {
		return after, c, err
	}
	if holds(&after) {
		s.halted(product, id, c.Revision)
	}
	record(before, after)
	var now []fleet.DeviceID
	if immediate(&after) {
		now = s.Online(c, &after)
	}
	s.changed(product, now)
	e := event.Event{
		Payload: event.ReleaseChanged{ID: id, Version: after.Version, State: after.State, Share: after.Share},
		Team:    c.Product.Team, Product: product, At: time.Now(), Wide: after.Group == 0,
	}
	if after.Group != 0 {
		e.Groups = []fleet.GroupID{after.Group}
	}
	s.announce(e)
	return after, c, nil
}

// put makes after, one of c's releases under way, of before, and completes it.
func (s *Service) put(c *fleet.Catalog, before, after *fleet.Release) error {
	now := s.now().UTC()
	if moved(before, after) {
		after.Changed = now
		if err := Few(s.index, c, after); err != nil {
			return err
		}
		if immediate(after) {
			c.Immediate.Release = after.ID
		}
	}
	if after.State.Over() {
		c.End(after.Group, after.State, after.Why, now)
	} else {
		c.SetStaged(*after)
	}
	return nil
}

// underWay returns a release that is under way, and over which no other stands.
func underWay(c *fleet.Catalog, id fleet.ReleaseID) (fleet.Release, error) {
	for _, r := range c.Staged {
		if r.ID == id {
			return r, nil
		}
		for under := r.Under; under != nil; under = under.Under {
			if under.ID == id {
				return fleet.Release{}, fleet.Errorf(fleet.Conflict, "release %s of version %s stands over release %s: act on that one", r.ID, r.Version, id)
			}
		}
	}
	if _, ended := c.Ended[id]; ended {
		return fleet.Release{}, fleet.Errorf(fleet.Conflict, "release %s has ended", id)
	}
	return fleet.Release{}, fleet.Errorf(fleet.NotFound, "no release %s in product %s", id, c.Product.Slug)
}
