package main

import (
	"context"

	"github.com/muster-iot/muster/api"
)

type productCmd struct {
	List   productListCmd   `cmd:"" help:"List the team's products." example:"muster product list"`
	Create productCreateCmd `cmd:"" help:"Create a product." example:"muster product create \"Street lamp\" --slug lamp"`
	Get    productGetCmd    `cmd:"" help:"Show one product." example:"muster product get lamp"`
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
	if err != nil {
		return err
	}
	return c.show(p, func(t *table) { drawProduct(t, p) })
}

type productGetCmd struct {
	remote
	Product string `arg:"" help:"Slug or id."`
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

func drawProduct(t *table, p api.Product) {
	t.row("id", p.ID)
	t.row("slug", p.Slug)
	t.row("name", p.Name)
	t.row("description", p.Description)
	t.row("groups", p.Groups)
}
