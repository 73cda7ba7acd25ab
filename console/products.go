package console

import (
	"strconv"

	"github.com/muster-iot/muster/fleet"
)

// productPages are the pages of products.
type productPages struct{ *visit }

// home redirects to what needs attention in the product last viewed, to its devices if there are
// none yet, or to the page that creates a product.
func (v productPages) home() error {
	products, err := v.registry.Products(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	if len(products) == 0 {
		return v.redirect("/products")
	}
	to := products[0].Slug
	if cookie, err := v.r.Cookie(productCookie); err == nil {
		for _, p := range products {
			if p.Slug == cookie.Value {
				to = p.Slug
			}
		}
	}
	page := "/attention"
	for _, p := range products {
		if p.Slug != to {
			continue
		}
		if row, err := v.productRow(p); err != nil || row.Devices == 0 {
			page = "/devices" // which shows how to begin
		}
	}
	return v.redirect("/p/" + to + page)
}

// productRow is a product with the number of its devices that the actor sees.
type productRow struct {
	fleet.Product
	Devices int
}

func (v productPages) productsPage() error {
	products, err := v.registry.Products(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	rows := make([]productRow, len(products))
	for i, p := range products {
		if rows[i], err = v.productRow(p); err != nil {
			return err
		}
	}
	return v.show("products", "Products", rows)
}

func (v productPages) productRow(p fleet.Product) (productRow, error) {
	found, err := v.registry.Devices(v.ctx(), v.actor, fleet.DeviceQuery{Actor: v.actor, Product: p.ID, Limit: 1})
	return productRow{p, found.Total}, err
}

func (v productPages) createProduct() error {
	p, err := v.registry.CreateProduct(v.ctx(), v.actor, fleet.Product{
		Team: v.actor.Team, Name: v.text("name"), Slug: v.text("slug"), Description: v.text("description"),
		Roaming: fleet.RoamingGroups, // the default of the API
	})
	return v.after(err, "/p/"+p.Slug+"/devices", "Created "+p.Name+". Import its first devices.")
}

// productBody is the page of one product's settings.
type productBody struct {
	productRow
	Versions int
	Groups   int // its own, which are deleted with it
}

func (v productPages) productPage() error {
	b := productBody{}
	var err error
	if b.productRow, err = v.productRow(v.product); err != nil {
		return err
	}
	versions, groups, err := v.versions()
	if err != nil {
		return err
	}
	b.Versions = len(versions)
	for _, g := range groups {
		if g.Product == v.product.ID {
			b.Groups++
		}
	}
	return v.show("product", v.product.Name, b)
}

func (v productPages) editProduct() error {
	if v.text("act") == "delete" {
		return v.after(v.registry.DeleteProduct(v.ctx(), v.actor, v.product.ID), "/products", "Deleted "+v.product.Name+".")
	}
	register, err := strconv.Atoi(v.text("auto_register"))
	if err != nil {
		return fleet.FieldErrorf("auto_register", "enter how many unknown BLE devices a gateway may add, 0 for none")
	}
	roaming, err := fleet.ParseRoaming(v.text("roaming"))
	if err != nil {
		return err
	}
	name, slug, description := v.text("name"), v.text("slug"), v.text("description")
	p, err := v.registry.EditProduct(v.ctx(), v.actor, v.product.ID, fleet.ProductEdit{
		Name: &name, Slug: &slug, Description: &description, Roaming: &roaming, AutoRegister: &register, If: v.seen(),
	})
	return v.after(err, "/p/"+p.Slug+"/settings", "Saved "+p.Name+".")
}
