package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type productCmd struct {
	List   productListCmd   `cmd:"" help:"List the team's products." example:"muster product list"`
	Create productCreateCmd `cmd:"" help:"Create a product." example:"muster product create \"Street lamp\" --slug lamp"`
	Get    productGetCmd    `cmd:"" help:"Show one product." example:"muster product get lamp"`
	Edit   productEditCmd   `cmd:"" help:"Change a product." example:"muster product edit lamp --description \"The lamp in the hall\""`
	Delete productDeleteCmd `cmd:"" help:"Delete a product that has no devices, with its firmware and groups." example:"muster product delete lamp"`
}

type productListCmd struct{ remote }

// Run lists all products.
func (c *productListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Product, error) { return s.Products(ctx) }, func(t *table, products []api.Product) {
		t.hint(len(products), "No products yet. Create one with: muster product create NAME")
		t.row("ID", "SLUG", "NAME", "GROUPS")
		for _, p := range products {
			t.row(p.ID, p.Slug, p.Name, p.Groups)
		}
	})
}

type productCreateCmd struct {
	remote
	Name string `arg:"" help:"Name of the product."`
	Slug string `help:"Name in commands and URLs: 1 to 64 of a-z 0-9 -; by default derived from the name."`
}

// Run creates a product.
func (c *productCreateCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Product, error) {
		p, err := s.CreateProduct(ctx, c.Name, c.Slug)
		var detail *fleet.Error
		if c.Slug == "" && errors.As(err, &detail) && detail.Field == "slug" {
			err = fmt.Errorf("%w; choose one with --slug", err)
		}
		return p, err
	}, drawProduct)
}

type productGetCmd struct {
	remote
	Product string `arg:"" help:"Slug or id." complete:"product"`
}

// Run shows a product.
func (c *productGetCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Product, error) { return s.Product(ctx, c.Product) }, drawProduct)
}

type productEditCmd struct {
	remote
	Product      string  `arg:"" help:"Slug or id." complete:"product"`
	Name         *string `help:"New name." placeholder:"TEXT"`
	Slug         *string `help:"New name in commands and URLs: 1 to 64 of a-z 0-9 -" placeholder:"SLUG"`
	Description  *string `help:"New description." placeholder:"TEXT"`
	Roaming      *string `help:"Which gateways may take its Bluetooth LE devices from another: none; groups, those that share a group with the device, if it has any; team, all." placeholder:"WHICH"`
	AutoRegister *int    `help:"How many unknown Bluetooth LE devices a gateway may add; 0 for none." placeholder:"N"`
}

// Run changes a product.
func (c *productEditCmd) Run(ctx context.Context) error {
	fields := api.ProductFields{Name: c.Name, Slug: c.Slug, Description: c.Description, Roaming: c.Roaming, AutoRegister: c.AutoRegister}
	if fields == (api.ProductFields{}) {
		return Misuse("nothing to change: see muster product edit --help")
	}
	return ask(ctx, c, func(s server) (api.Product, error) { return s.EditProduct(ctx, c.Product, fields) }, drawProduct)
}

func drawProduct(t *table, p api.Product) {
	t.row("id", p.ID)
	t.row("slug", p.Slug)
	t.row("name", p.Name)
	t.row("description", p.Description)
	t.row("groups", p.Groups)
	t.row("roaming", p.Roaming)
	t.row("auto register", p.AutoRegister)
}

type productDeleteCmd struct {
	remote
	agree
	Product string `arg:"" help:"Slug or id." complete:"product"`
}

// Run deletes a product, after showing what is deleted with it.
func (c *productDeleteCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	p, err := s.Product(ctx, c.Product)
	if err != nil {
		return err
	}
	firmware, err := s.Firmware(ctx, c.Product)
	if err != nil {
		return err
	}
	groups, err := s.Groups(ctx, c.Product)
	if err != nil {
		return err
	}
	own := 0
	for _, g := range groups {
		if g.ProductID != nil {
			own++
		}
	}
	if err := c.confirm(ctx, "Delete the product %s with its %s and %s?", p.Slug, humane.Count(len(firmware), "firmware version"), humane.Count(own, "group")); err != nil {
		return err
	}
	return c.done(s.DeleteProduct(ctx, c.Product), "Deleted the product %s.", p.Slug)
}
