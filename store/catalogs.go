package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/feed"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/timeline"
)

// Catalogs reads and writes products with their firmware and releases. The catalogs that it
// returns are shared and must not be modified.
type Catalogs struct {
	core  *core
	docs  *document.Documents[fleet.ProductID, fleet.Catalog]
	tags  *feed.Tags // nil unless the store is joined
	feed  *feed.Feed
	teams *Teams

	timelines *timeline.Timelines
}

func newCatalogs(c *core, timelines *timeline.Timelines) *Catalogs {
	return &Catalogs{core: c, docs: document.New(c.Pipeline, catalogKind, keys.Product), timelines: timelines}
}

// Catalog returns the newest catalog seen by this process, usually without a round
// trip: its own changes are seen at once, those of another process some tenths of a second later, or by
// the next Save of a device of the product. It returns fleet.NotFound for an unknown product.
func (s *Catalogs) Catalog(ctx context.Context, product fleet.ProductID) (*fleet.Catalog, error) {
	if s.tags != nil && !s.feed.Heard() {
		return s.docs.Live(ctx, product)
	}
	return s.docs.Get(ctx, product)
}

// Current returns the catalog, compared with Redis if servers share the store: callers may have asked another one before.
func (s *Catalogs) Current(ctx context.Context, product fleet.ProductID) (*fleet.Catalog, error) {
	if s.tags != nil {
		return s.docs.Live(ctx, product)
	}
	return s.docs.Get(ctx, product)
}

// newest returns the revision of the catalog that a device was saved along with, which had this tag, or of a
// newer one; 0 if the product was deleted.
func (s *Catalogs) newest(ctx context.Context, product fleet.ProductID, tag string) (uint64, error) {
	if c, is := s.docs.Tagged(product); c != nil && is == tag {
		return c.Revision, nil
	}
	c, err := s.docs.Load(ctx, product) // after the save: whatever the bucket has, nothing newer was answered before
	if errors.Is(err, fleet.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if _, is := s.docs.Tagged(product); is != tag {
		s.tags.Lags(product)
	}
	return c.Revision, nil
}

// heard drops the catalog of a product from memory unless it has this tag; product 0 drops all.
func (s *Catalogs) heard(product fleet.ProductID, tag string) {
	if product == 0 {
		s.docs.Forget()
		return
	}
	s.docs.Drop(product, tag)
}

// write calls work, which writes the catalog of a product; if the store is joined, every bucket has its
// tag afterwards, and other servers see what it gives devices at once.
func (s *Catalogs) write(ctx context.Context, product fleet.ProductID, work func() (fleet.Immediate, error)) error {
	if s.tags == nil {
		_, err := work()
		return err
	}
	return s.tags.Edit(ctx, product, work)
}

// compareEvery is how often the catalogs in memory are compared with those in Redis, unless servers share the store:
// a write that was given up may be carried out later, and a fail-over may lose one.
const compareEvery = 2 * time.Second

func (s *Catalogs) compare(ctx context.Context) {
	for steady.Sleep(ctx, compareEvery) {
		s.docs.Compare(ctx)
	}
}

// CatalogAt returns the catalog at revision atLeast, which Save returned, or a newer one.
func (s *Catalogs) CatalogAt(ctx context.Context, product fleet.ProductID, atLeast uint64) (*fleet.Catalog, error) {
	if c := s.docs.Cached(product); c != nil && c.Revision >= atLeast {
		return c, nil
	}
	return s.docs.Load(ctx, product)
}

// EditCatalog changes a copy of the catalog and writes it. It returns what was written. change gets a fresh copy each time
// another change came first, so it may run several times. A new slug is claimed first: fleet.Conflict when another product has it.
func (s *Catalogs) EditCatalog(ctx context.Context, product fleet.ProductID, change func(*fleet.Catalog) error) (*fleet.Catalog, error) {
	var before, claimed string
	var team fleet.TeamID
	var edited *fleet.Catalog
	err := s.write(ctx, product, func() (immediate fleet.Immediate, err error) {
		edited, err = s.docs.Edit(ctx, product, func(c *fleet.Catalog) error {
			before, team = c.Product.Slug, c.Product.Team
			old := fleet.Catalog{Default: c.Default, Groups: copied(c.Groups), Revision: c.Revision}
			if err := change(c); err != nil {
				return err
			}
			c.NoteMoves(&old)
			if c.Product.Slug == before || c.Product.Slug == claimed {
				return nil
			}
			if err := s.claimSlug(ctx, c.Product); err != nil {
				return err
			}
			claimed = c.Product.Slug
			return nil
		})
		if err == nil {
			immediate = edited.Immediate
		}
		return immediate, err
	})
	switch {
	case err != nil && claimed != "" && !errors.Is(err, fleet.Unavailable):
		return nil, errors.Join(err, s.core.claims.Unclaim(ctx, keys.Slug(team, claimed), uint32(product)))
	case err != nil:
		return nil, err
	case before != edited.Product.Slug:
		_ = s.core.claims.Unclaim(ctx, keys.Slug(team, before), uint32(product)) // on an error the old slug stays taken
	}
	return edited, nil
}

func (s *Catalogs) claimSlug(ctx context.Context, p fleet.Product) error {
	ours, err := s.core.claims.Claim(ctx, keys.Slug(p.Team, p.Slug), uint32(p.ID), 1)
	if err == nil && !ours {
		err = &fleet.Error{Kind: fleet.Conflict, Field: "slug", Text: "a product with the slug " + p.Slug + " exists already"}
	}
	return err
}

// CreateProduct stores a new product with an empty catalog and returns it with its id.
// It returns fleet.Conflict when the slug is taken in the team.
func (s *Catalogs) CreateProduct(ctx context.Context, p fleet.Product) (fleet.Product, error) {
	if _, err := s.teams.docs.Live(ctx, p.Team); err != nil {
		return fleet.Product{}, err
	}
	id, err := s.core.claims.Next(ctx, keys.Counter("product"))
	if err != nil {
		return fleet.Product{}, err
	}
	p.ID = fleet.ProductID(id)
	if err := s.claimSlug(ctx, p); err != nil {
		return fleet.Product{}, err
	}
	undo := context.WithoutCancel(ctx)
	if err := s.write(ctx, p.ID, func() (none fleet.Immediate, err error) {
		return none, s.docs.Create(ctx, p.ID, cloneCatalog(&fleet.Catalog{Product: p}))
	}); err != nil {
		return fleet.Product{}, errors.Join(err, s.core.claims.Unclaim(undo, keys.Slug(p.Team, p.Slug), id))
	}
	_, err = s.teams.docs.Edit(ctx, p.Team, func(r *roster) error {
		r.products[p.ID] = true
		return nil
	})
	if err != nil {
		return fleet.Product{}, errors.Join(err, s.erase(undo, p))
	}
	return p, nil
}

// Products returns the products of a team, oldest first.
func (s *Catalogs) Products(ctx context.Context, team fleet.TeamID) ([]fleet.Product, error) {
	r, err := s.teams.docs.Live(ctx, team)
	if err != nil {
		return nil, err
	}
	products := make([]fleet.Product, 0, len(r.products))
	for id := range r.products {
		c, err := s.Catalog(ctx, id)
		switch {
		case err == nil:
			products = append(products, c.Product)
		case !errors.Is(err, fleet.NotFound): // else it is being deleted
			return nil, err
		}
	}
	slices.SortFunc(products, func(a, b fleet.Product) int { return int(a.ID) - int(b.ID) })
	return products, nil
}

// ProductBySlug returns the product of a team with a slug; fleet.NotFound when there is none.
func (s *Catalogs) ProductBySlug(ctx context.Context, team fleet.TeamID, slug string) (fleet.Product, error) {
	id, err := s.core.claims.Owner(ctx, keys.Slug(team, slug))
	if err != nil {
		return fleet.Product{}, err
	}
	c, err := s.Current(ctx, fleet.ProductID(id))
	if id == 0 || errors.Is(err, fleet.NotFound) || err == nil && c.Product.Slug != slug {
		return fleet.Product{}, fleet.Errorf(fleet.NotFound, "no such product: %s", slug)
	}
	if err != nil {
		return fleet.Product{}, err
	}
	return c.Product, nil
}

// DeleteProduct removes a product and its catalog. The caller must have deleted its devices. It
// returns fleet.NotFound when there is none.
func (s *Catalogs) DeleteProduct(ctx context.Context, product fleet.ProductID) error {
	c, err := s.docs.Load(ctx, product)
	if err != nil {
		return err
	}
	var releases []fleet.ReleaseID
	for _, r := range c.Releases() {
		releases = append(releases, r.ID)
	}
	if err := s.timelines.Drop(ctx, product, releases); err != nil {
		return err
	}
	return s.erase(ctx, c.Product)
}

// erase removes a product, also one that was created only in part.
func (s *Catalogs) erase(ctx context.Context, p fleet.Product) error {
	if err := s.core.claims.Unclaim(ctx, keys.Slug(p.Team, p.Slug), uint32(p.ID)); err != nil {
		return err
	}
	_, err := s.teams.docs.Edit(ctx, p.Team, func(r *roster) error {
		delete(r.products, p.ID)
		return nil
	})
	if err != nil && !errors.Is(err, fleet.NotFound) {
		return err
	}
	return s.write(ctx, p.ID, func() (none fleet.Immediate, err error) { return none, s.docs.Remove(ctx, p.ID) }) // last, so that a retry finds the rest
}
