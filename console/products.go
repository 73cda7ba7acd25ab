package console

import "github.com/muster-iot/muster/fleet"

// home leads to the devices of the product looked at last, or to the first product to make.
func (v *visit) home() error {
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
	return v.redirect("/p/" + to + "/devices")
}

// productRow is a product with how many devices of it the actor sees.
type productRow struct {
	fleet.Product
	Devices int
}

func (v *visit) productsPage() error {
	products, err := v.registry.Products(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	rows := make([]productRow, len(products))
	for i, p := range products {
		found, err := v.registry.Devices(v.ctx(), v.actor, fleet.DeviceQuery{Actor: v.actor, Product: p.ID, Limit: 1})
		if err != nil {
			return err
		}
		rows[i] = productRow{p, found.Total}
	}
	return v.show("products", "Products", rows)
}

func (v *visit) createProduct() error {
	p, err := v.registry.CreateProduct(v.ctx(), v.actor, fleet.Product{
		Team: v.actor.Team, Name: v.text("name"), Slug: v.text("slug"), Description: v.text("description"),
	})
	return v.after(err, "/p/"+p.Slug+"/devices", "Created "+p.Name+". Import its first devices.")
}
