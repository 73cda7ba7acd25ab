package client

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/api"
)

// Products retrieves all products of the team.
func (c *Client) Products(ctx context.Context) ([]api.Product, error) {
	out, err := get[api.ProductList](ctx, c, "/v1/products")
	return out.Products, err
}

// Product retrieves a product by its id or slug.
func (c *Client) Product(ctx context.Context, product string) (api.Product, error) {
	out, err := get[api.OneProduct](ctx, c, path("products", product))
	return out.Product, err
}

// CreateProduct creates a product; an empty slug is derived from the name.
func (c *Client) CreateProduct(ctx context.Context, name, slug string) (api.Product, error) {
	fields := api.ProductFields{Name: &name}
	if slug != "" {
		fields.Slug = &slug
	}
	out, err := post[api.OneProduct](ctx, c, "/v1/products", fields)
	return out.Product, err
}

// EditProduct changes a product; absent fields keep their values.
func (c *Client) EditProduct(ctx context.Context, product string, fields api.ProductFields) (api.Product, error) {
	out, err := put[api.OneProduct](ctx, c, path("products", product), fields)
	return out.Product, err
}

// DeleteProduct deletes a product that has no devices, with its firmware.
func (c *Client) DeleteProduct(ctx context.Context, product string) error {
	return c.do(ctx, http.MethodDelete, path("products", product), nil)
}

// Groups retrieves the groups that a product's devices may be in.
func (c *Client) Groups(ctx context.Context, product string) ([]api.Group, error) {
	out, err := get[api.GroupList](ctx, c, path("products", product, "groups"))
	return out.Groups, err
}

// Group retrieves one group, with the tag for If. The tag changes with the group's name,
// description and color.
func (c *Client) Group(ctx context.Context, product, name string) (g api.Group, tag string, err error) {
	out, tag, err := tagged[api.OneGroup](ctx, c, path("products", product, "groups", name))
	return out.Group, tag, err
}

// CreateGroup creates a group for a product's devices; the server chooses its color.
func (c *Client) CreateGroup(ctx context.Context, product, name, description string) (api.Group, error) {
	return c.CreateGroupOf(ctx, product, api.GroupFields{Name: &name, Description: &description})
}

// CreateGroupOf creates a group with these fields for a product's devices.
func (c *Client) CreateGroupOf(ctx context.Context, product string, fields api.GroupFields) (api.Group, error) {
	out, err := post[api.OneGroup](ctx, c, path("products", product, "groups"), fields)
	return out.Group, err
}

// EditGroup changes a group; absent fields keep their values. It respects If, with the tag
// of Group.
func (c *Client) EditGroup(ctx context.Context, product, name string, fields api.GroupFields) (api.Group, error) {
	out, err := put[api.OneGroup](ctx, c, path("products", product, "groups", name), fields)
	return out.Group, err
}

// PreviewDeleteGroup returns the impact that DeleteGroup would have.
func (c *Client) PreviewDeleteGroup(ctx context.Context, product, name string) (api.Impact, error) {
	return call[api.Impact](ctx, c, http.MethodDelete, dryRun(path("products", product, "groups", name)), nil)
}

// DeleteGroup deletes a group and withdraws the version released to it.
func (c *Client) DeleteGroup(ctx context.Context, product, name string) error {
	return c.do(ctx, http.MethodDelete, path("products", product, "groups", name), nil)
}
