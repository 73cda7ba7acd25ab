package rest

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// ProductExample is a product to create.
const ProductExample = `{"product":{"name":"Smart lamp","slug":"lamp"}}`

func (a *API) products() route.Table {
	const all, one = "/v1/products", "/v1/products/{product}"
	return route.Table{Tag: "products", Routes: []route.Route{
		route.Get("ListProducts", all, "All products of the team", route.Needs(fleet.SeeTeam), a.ListProducts),
		route.Post("CreateProduct", all, "Create a product", route.Needs(fleet.EditProducts), a.CreateProduct).
			Created().Example(ProductExample),
		route.Get("GetProduct", one, "One product", route.Needs(fleet.SeeTeam), a.getProduct),
		route.Delete("DeleteProduct", one, "Delete a product that has no devices, with its firmware", route.Needs(fleet.EditProducts), a.deleteProduct).
			Fails(http.StatusConflict),
		route.Put("UpdateProduct", one, "Change a product", route.Needs(fleet.EditProducts), a.updateProduct).
			Fails(http.StatusConflict, http.StatusPreconditionFailed).Example(`{"description":"The lamp in the hall"}`),
	}}
}

// ProductBody is a product's fields, bare or below "product".
type ProductBody struct {
	api.ProductFields
	Product *api.ProductFields `json:"product,omitempty"`
}

// fields returns the fields that were sent, in either form but not in both.
func (b ProductBody) fields() (api.ProductFields, error) {
	if b.Product == nil {
		return b.ProductFields, nil
	}
	outside := map[string]bool{
		"name": b.Name != nil, "slug": b.Slug != nil, "description": b.Description != nil, "roaming": b.Roaming != nil, "auto_register": b.AutoRegister != nil,
	}
	for name, given := range outside {
		if given {
			return api.ProductFields{}, fleet.FieldErrorf(name, "%s is outside product: send all fields below product, or none", name)
		}
	}
	return *b.Product, nil
}

// ListProducts answers all products of the team.
func (a *API) ListProducts(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.ProductList], error) {
	products, err := a.Registry.Products(ctx, who)
	if err != nil {
		return nil, err
	}
	out := api.ProductList{Products: []api.Product{}}
	for _, p := range products {
		names, err := a.Registry.GroupNames(ctx, who, p.ID)
		if err != nil {
			return nil, err
		}
		out.Products = append(out.Products, shownProduct(p, names))
	}
	return route.Answer(out, nil)
}

// CreateProduct creates a product.
func (a *API) CreateProduct(ctx context.Context, who fleet.Actor, in *struct{ route.Input[ProductBody] }) (*route.Tagged[api.OneProduct], error) {
	f, err := in.In.fields()
	if err != nil {
		return nil, err
	}
	roaming := fleet.RoamingGroups
	if f.Roaming != nil {
		if roaming, err = fleet.ParseRoaming(*f.Roaming); err != nil {
			return nil, err
		}
	}
	p, err := a.Registry.CreateProduct(ctx, who, fleet.Product{
		Name: deref(f.Name), Slug: deref(f.Slug), Description: deref(f.Description),
		Roaming: roaming, AutoRegister: deref(f.AutoRegister),
	})
	return a.oneProduct(ctx, who, p, err)
}

func (a *API) getProduct(ctx context.Context, who fleet.Actor, in *ProductPath) (*route.Tagged[api.OneProduct], error) {
	return a.oneProduct(ctx, who, in.product, nil)
}

func (a *API) deleteProduct(ctx context.Context, who fleet.Actor, in *ProductPath) (*route.None, error) {
	return nil, a.Registry.DeleteProduct(ctx, who, in.product.ID)
}

func (a *API) updateProduct(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	route.IfMatch
	route.Input[ProductBody]
}) (*route.Tagged[api.OneProduct], error) {
	f, err := in.In.fields()
	if err != nil {
		return nil, err
	}
	var roaming *fleet.Roaming
	if f.Roaming != nil {
		parsed, err := fleet.ParseRoaming(*f.Roaming)
		if err != nil {
			return nil, err
		}
		roaming = &parsed
	}
	p, err := a.Registry.EditProduct(ctx, who, in.product.ID, fleet.ProductEdit{
		Name: f.Name, Slug: f.Slug, Description: f.Description, Roaming: roaming, AutoRegister: f.AutoRegister, If: in.Seen,
	})
	return a.oneProduct(ctx, who, p, err)
}

func (a *API) oneProduct(ctx context.Context, who fleet.Actor, p fleet.Product, err error) (*route.Tagged[api.OneProduct], error) {
	if err != nil {
		return nil, err
	}
	names, err := a.Registry.GroupNames(ctx, who, p.ID)
	return route.AnswerTagged(p.Tag(), api.OneProduct{Product: shownProduct(p, names)}, err)
}

// shownProduct is a product with the names of the groups its devices may be in.
func shownProduct(p fleet.Product, names map[fleet.GroupID]string) api.Product {
	return api.Product{
		ID: uint32(p.ID), Name: p.Name, Slug: p.Slug, Description: p.Description, Groups: list(slices.Sorted(maps.Values(names))),
		OrganizationID: p.Team.String(), Roaming: p.Roaming.String(), AutoRegister: p.AutoRegister,
	}
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
