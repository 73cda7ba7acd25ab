package registry

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gosimple/slug"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// maxAutoRegister bounds Product.AutoRegister.
const maxAutoRegister = 100_000

// Products returns the team's products, oldest first.
func (r *Registry) Products(ctx context.Context, actor fleet.Actor) ([]fleet.Product, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return nil, err
	}
	return r.catalogs.Products(ctx, actor.Team)
}

// Product returns one of the team's products, by its id or its slug.
func (r *Registry) Product(ctx context.Context, actor fleet.Actor, idOrSlug string) (fleet.Product, error) {
	p, err := r.product(ctx, actor.Team, idOrSlug)
	if err != nil {
		return p, fleet.Hide(err, "no such product: %.80s", idOrSlug)
	}
	if err := fleet.May(actor, fleet.SeeTeam, fleet.Object{Team: p.Team}); err != nil {
		return fleet.Product{}, fleet.Hide(err, "no such product: %.80s", idOrSlug)
	}
	return p, nil
}

func (r *Registry) product(ctx context.Context, team fleet.TeamID, idOrSlug string) (fleet.Product, error) {
	id, err := strconv.ParseUint(idOrSlug, 10, 32)
	if err != nil {
		return r.catalogs.ProductBySlug(ctx, team, idOrSlug)
	}
	c, err := r.catalogs.Current(ctx, fleet.ProductID(id))
	if err != nil {
		return fleet.Product{}, err
	}
	return c.Product, nil
}

// CreateProduct creates a product in the actor's team. An empty slug is derived from the
// name. It returns fleet.Conflict if the team has a product with that slug.
func (r *Registry) CreateProduct(ctx context.Context, actor fleet.Actor, p fleet.Product) (fleet.Product, error) {
	if err := actor.May(fleet.EditProducts); err != nil {
		return fleet.Product{}, err
	}
	if p.Slug == "" {
		p.Slug = slugOf(p.Name)
	}
	p.Team, p.Created = actor.Team, time.Now().UTC()
	if err := checkProduct(p); err != nil {
		return fleet.Product{}, err
	}
	p, err := r.catalogs.CreateProduct(ctx, p)
	if err != nil {
		return fleet.Product{}, err
	}
	r.audit.RecordIn(ctx, p.ID, actor, "product.create", p.Slug, nil, productFields(p))
	return p, nil
}

// EditProduct changes a product. It returns fleet.Conflict if another product has the new
// slug, or edit.If is not the product's tag.
func (r *Registry) EditProduct(ctx context.Context, actor fleet.Actor, id fleet.ProductID, edit fleet.ProductEdit) (fleet.Product, error) {
	if _, err := r.catalog(ctx, actor, id); err != nil {
		return fleet.Product{}, err
	}
	if err := actor.May(fleet.EditProducts); err != nil {
		return fleet.Product{}, err
	}
	var before fleet.Product
	c, err := r.catalogs.EditCatalog(ctx, id, func(c *fleet.Catalog) error {
		if err := fleet.Unchanged("product "+c.Product.Slug, edit.If, c.Product.Tag()); err != nil {
			return err
		}
		before = c.Product
		set(&c.Product.Name, edit.Name)
		set(&c.Product.Slug, edit.Slug)
		set(&c.Product.Description, edit.Description)
		set(&c.Product.Roaming, edit.Roaming)
		set(&c.Product.AutoRegister, edit.AutoRegister)
		return checkProduct(c.Product)
	})
	if err != nil {
		return fleet.Product{}, err
	}
	r.audit.RecordIn(ctx, c.Product.ID, actor, "product.update", c.Product.Slug, productFields(before), productFields(c.Product))
	return c.Product, nil
}

// DeleteProduct deletes a product with its firmware and its own groups. It returns
// fleet.Conflict while the product has devices. Once nothing prevents the deletion, it
// completes even if ctx ends.
func (r *Registry) DeleteProduct(ctx context.Context, actor fleet.Actor, id fleet.ProductID) error {
	c, err := r.catalog(ctx, actor, id)
	if err != nil {
		return err
	}
	if err := actor.May(fleet.EditProducts); err != nil {
		return err
	}
	devices := 0
	if err := r.index.Count(actor, id, nil, func(_ *fleet.IndexEntry, n int) { devices += n }); err != nil {
		return err
	}
	if devices > 0 {
		return fleet.Errorf(fleet.Conflict, "product %s has %d devices: delete them first", c.Product.Slug, devices)
	}
	ctx = context.WithoutCancel(ctx) // a client that disconnects must not leave half of it
	groups, err := r.teams.Groups(ctx, actor.Team)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Product != id {
			continue
		}
		if err := r.teams.DeleteGroup(ctx, actor.Team, g.ID); err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	if err := r.catalogs.DeleteProduct(ctx, id); err != nil {
		return fleet.Hide(err, "no such product: %s", id)
	}
	r.audit.RecordIn(ctx, c.Product.ID, actor, "product.delete", c.Product.Slug, productFields(c.Product), nil)
	for _, f := range c.Firmware {
		if r.config.Images == nil {
			break
		}
		if err := r.config.Images.Delete(ctx, id, f.Digest, f.Object); err != nil { // it only takes space
			r.log.Warn("image of a deleted product not deleted", "product", id, "version", f.Version.String(), "err", err)
		}
	}
	return nil
}

func checkProduct(p fleet.Product) error {
	if err := fleet.CheckName("name", p.Name); err != nil {
		return err
	}
	if _, err := fleet.ParseSlug(p.Slug); err != nil {
		return fleet.FieldErrorf("slug", "%s", err)
	}
	if p.AutoRegister < 0 || p.AutoRegister > maxAutoRegister {
		return fleet.FieldErrorf("auto_register", "auto_register: use 0 to %d devices", maxAutoRegister)
	}
	return fleet.CheckText("description", p.Description, fleet.MaxNotes)
}

// slugOf returns a slug that resembles name, in whatever script that is. For a name without
// letters the result is not a valid slug.
func slugOf(name string) string {
	plain := slug.Make(strings.ReplaceAll(name, "_", "-"))
	return strings.Trim(plain[:min(len(plain), fleet.MaxSlug)], "-")
}

func productFields(p fleet.Product) audit.Fields {
	return audit.Fields{"name": p.Name, "slug": p.Slug, "description": p.Description, "roaming": p.Roaming.String(), "auto_register": p.AutoRegister}
}
