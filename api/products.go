package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// Product is a product in Particle's shape.
type Product struct {
	ID             uint32   `json:"id"`
	PlatformID     int      `json:"platform_id"`
	Name           string   `json:"name"`
	Slug           string   `json:"slug"`
	Description    string   `json:"description"`
	Groups         []string `json:"groups" doc:"Names of the groups its devices may be in"`
	OrganizationID string   `json:"organization_id" doc:"The team's id"`
	Settings       struct{} `json:"settings"`
	Roaming        bool     `json:"roaming" doc:"Its BLE devices may move between gateways by themselves"`
	AutoRegister   int      `json:"auto_register" doc:"Unknown BLE devices a gateway may add"`
}

// ProductList is every product of the team.
type ProductList struct {
	Products []Product `json:"products"`
}

// OneProduct wraps a product as Particle does.
type OneProduct struct {
	Product Product `json:"product"`
}

// ProductFields are what a product is created with and changed by.
type ProductFields struct {
	Name         *string `json:"name,omitempty"`
	Slug         *string `json:"slug,omitempty" doc:"1 to 64 of a-z 0-9 - with a letter; absent: made from the name"`
	Description  *string `json:"description,omitempty"`
	Roaming      *bool   `json:"roaming,omitempty"`
	AutoRegister *int    `json:"auto_register,omitempty"`
	PlatformID   ignored `json:"platform_id,omitzero"`
	Settings     ignored `json:"settings,omitzero"`
	Type         ignored `json:"type,omitzero"`
}

// ProductBody is ProductFields, bare or below "product".
type ProductBody struct {
	ProductFields
	Product *ProductFields `json:"product,omitempty"`
}

// fields are the ones that were sent, in whichever form but not in both.
func (b ProductBody) fields() (ProductFields, error) {
	if b.Product == nil {
		return b.ProductFields, nil
	}
	beside := map[string]bool{
		"name": b.Name != nil, "slug": b.Slug != nil, "description": b.Description != nil, "roaming": b.Roaming != nil, "auto_register": b.AutoRegister != nil,
	}
	for name, given := range beside {
		if given {
			return ProductFields{}, fleet.FieldErrorf(name, "%s stands beside product: send all below product, or none", name)
		}
	}
	return *b.Product, nil
}

// ProductPath names a product.
type ProductPath struct {
	Product string `path:"product" doc:"Product id or slug" example:"lamp"`
}

func (s *server) products() {
	all := func(ctx context.Context, who fleet.Actor, _ *struct{}) (*reply[ProductList], error) {
		products, err := s.Products(ctx, who)
		if err != nil {
			return nil, err
		}
		out := ProductList{Products: []Product{}}
		for _, p := range products {
			shown, err := s.product(ctx, who, p)
			if err != nil {
				return nil, err
			}
			out.Products = append(out.Products, shown)
		}
		return &reply[ProductList]{out}, nil
	}
	create := func(ctx context.Context, who fleet.Actor, in *struct{ Input[ProductBody] }) (*tagged[OneProduct], error) {
		f, err := in.In.fields()
		if err != nil {
			return nil, err
		}
		p, err := s.CreateProduct(ctx, who, fleet.Product{Name: deref(f.Name), Slug: deref(f.Slug), Description: deref(f.Description), Roaming: f.Roaming == nil || *f.Roaming, AutoRegister: deref(f.AutoRegister)})
		return s.oneProduct(ctx, who, p, err)
	}
	const tag = "products"
	add(s, route{id: "ListProducts", method: http.MethodGet, path: "/v1/products", summary: "All products of the team", tag: tag, access: needs(fleet.SeeTeam)}, all)
	add(s, route{id: "ListUserProducts", method: http.MethodGet, path: "/v1/user/products", summary: "The same as ListProducts", tag: tag, access: needs(fleet.SeeTeam)}, all)
	add(s, route{id: "CreateProduct", method: http.MethodPost, path: "/v1/products", summary: "Create a product", tag: tag, status: http.StatusCreated, access: needs(fleet.EditProducts),
		example: `{"product":{"name":"Smart lamp","slug":"lamp"}}`}, create)
	add(s, route{id: "CreateUserProduct", method: http.MethodPost, path: "/v1/user/products", summary: "The same as CreateProduct", tag: tag, status: http.StatusCreated, access: needs(fleet.EditProducts),
		example: `{"product":{"name":"Smart lamp","slug":"lamp"}}`}, create)
	add(s, route{id: "GetProduct", method: http.MethodGet, path: "/v1/products/{product}", summary: "One product", tag: tag, access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, in *ProductPath) (*tagged[OneProduct], error) {
			p, err := s.Product(ctx, who, in.Product)
			return s.oneProduct(ctx, who, p, err)
		})
	add(s, route{id: "DeleteProduct", method: http.MethodDelete, path: "/v1/products/{product}", summary: "Delete a product, which has no devices any more, with its firmware", tag: tag, access: needs(fleet.EditProducts), errors: []int{http.StatusConflict}}, s.deleteProduct)
	add(s, route{id: "UpdateProduct", method: http.MethodPut, path: "/v1/products/{product}", summary: "Change a product", tag: tag, access: needs(fleet.EditProducts), errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
		example: `{"description":"The lamp in the hall"}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			IfMatch
			Input[ProductBody]
		}) (*tagged[OneProduct], error) {
			p, err := s.Product(ctx, who, in.Product)
			if err != nil {
				return nil, err
			}
			f, err := in.In.fields()
			if err != nil {
				return nil, err
			}
			p, err = s.EditProduct(ctx, who, p.ID, fleet.ProductEdit{Name: f.Name, Slug: f.Slug, Description: f.Description, Roaming: f.Roaming, AutoRegister: f.AutoRegister, If: in.seen})
			return s.oneProduct(ctx, who, p, err)
		})
}

func (s *server) deleteProduct(ctx context.Context, who fleet.Actor, in *ProductPath) (*none, error) {
	p, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return nil, err
	}
	return nil, s.DeleteProduct(ctx, who, p.ID)
}

func (s *server) oneProduct(ctx context.Context, who fleet.Actor, p fleet.Product, err error) (*tagged[OneProduct], error) {
	if err != nil {
		return nil, err
	}
	shown, err := s.product(ctx, who, p)
	return answerTagged(p.Tag(), OneProduct{shown}, err)
}

func (s *server) product(ctx context.Context, who fleet.Actor, p fleet.Product) (Product, error) {
	groups, err := s.GroupNames(ctx, who, p.ID)
	names := slices.Sorted(maps.Values(groups))
	return Product{
		ID: uint32(p.ID), Name: p.Name, Slug: p.Slug, Description: p.Description, Groups: list(names),
		OrganizationID: p.Team.String(), Roaming: p.Roaming, AutoRegister: p.AutoRegister,
	}, err
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
