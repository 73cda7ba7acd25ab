package main

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
	Delete productDeleteCmd `cmd:"" help:"Delete a product with its firmware and groups; it may have no devices any more." example:"muster product delete lamp"`
}

type productListCmd struct{ remote }

// Run lists all products.
func (c *productListCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	products, err := client.Products(ctx)
	if err != nil {
		return err
	}
	c.hint(len(products), "No products yet: muster product create NAME")
	return c.show(products, func(t *table) {
		t.row("ID", "SLUG", "NAME", "GROUPS")
		for _, p := range products {
			t.row(p.ID, p.Slug, p.Name, p.Groups)
		}
	})
}

type productCreateCmd struct {
	remote
	Name string `arg:"" help:"Its name."`
	Slug string `help:"Its name in commands and addresses: 1 to 64 of a-z 0-9 -; made from the name where left out."`
}

// Run creates one.
func (c *productCreateCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	p, err := client.CreateProduct(ctx, c.Name, c.Slug)
	var detail *fleet.Error
	if c.Slug == "" && errors.As(err, &detail) && detail.Field == "slug" {
		err = fmt.Errorf("%w; choose one with --slug", err)
	}
	if err != nil {
		return err
	}
	return c.show(p, func(t *table) { drawProduct(t, p) })
}

type productGetCmd struct {
	remote
	Product string `arg:"" help:"Slug or id." complete:"product"`
}

// Run shows one.
func (c *productGetCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	p, err := client.Product(ctx, c.Product)
	if err != nil {
		return err
	}
	return c.show(p, func(t *table) { drawProduct(t, p) })
}

type productEditCmd struct {
	remote
	Product      string  `arg:"" help:"Slug or id." complete:"product"`
	Name         *string `help:"New name." placeholder:"TEXT"`
	Slug         *string `help:"New name in commands and addresses: 1 to 64 of a-z 0-9 -" placeholder:"SLUG"`
	Description  *string `help:"New description." placeholder:"TEXT"`
	Roaming      *bool   `help:"Its Bluetooth LE devices may move between gateways by themselves: true or false." placeholder:"BOOL"`
	AutoRegister *int    `help:"Unknown Bluetooth LE devices that a gateway may add; 0: none." placeholder:"N"`
}

// Run changes one.
func (c *productEditCmd) Run(ctx context.Context) error {
	fields := api.ProductFields{Name: c.Name, Slug: c.Slug, Description: c.Description, Roaming: c.Roaming, AutoRegister: c.AutoRegister}
	if fields == (api.ProductFields{}) {
		return wrongUse("nothing to change: see muster product edit --help")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	p, err := client.EditProduct(ctx, c.Product, fields)
	if err != nil {
		return err
	}
	return c.show(p, func(t *table) { drawProduct(t, p) })
}

type productDeleteCmd struct {
	remote
	agree
	Product string `arg:"" help:"Slug or id." complete:"product"`
}

// Run deletes one, after saying what goes with it.
func (c *productDeleteCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	p, err := client.Product(ctx, c.Product)
	if err != nil {
		return err
	}
	firmware, err := client.Firmware(ctx, c.Product)
	if err != nil {
		return err
	}
	groups, err := client.Groups(ctx, c.Product)
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
	if err := client.DeleteProduct(ctx, c.Product); err != nil {
		return err
	}
	return c.done("Deleted the product %s.", p.Slug)
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
