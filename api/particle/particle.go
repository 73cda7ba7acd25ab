// Package particle is the operations of the REST API that exist for Particle's clients, in
// the shapes those clients expect.
//
// It hides Particle's words for roles, its product team, its event streams and its GET
// impact. Where Particle's shapes became Muster's own, as for products and devices, the
// operation is in package rest.
package particle

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// adapter answers Particle's clients.
type adapter struct {
	*rest.API
}

// Tables returns the routes.
func Tables(a *rest.API) []route.Table {
	p := &adapter{API: a}
	return []route.Table{p.products(), p.impacts(), p.team(), p.events()}
}

// products are Particle's other paths to the same operations.
func (p *adapter) products() route.Table {
	const all = "/v1/user/products"
	return route.Table{Tag: "products", Routes: []route.Route{
		route.Get("ListUserProducts", all, "The same as ListProducts", route.Needs(fleet.SeeTeam), p.ListProducts),
		route.Post("CreateUserProduct", all, "The same as CreateProduct", route.Needs(fleet.EditProducts), p.CreateProduct).
			Created().Example(rest.ProductExample),
	}}
}

func (p *adapter) impacts() route.Table {
	return route.Table{Tag: "releases", Routes: []route.Route{
		route.Get("GetImpact", "/v1/products/{product}/impact", "What a release would do", route.Needs(fleet.ReleaseToGroup), p.impact),
	}}
}

// impact takes Particle's query, where absent groups mean none.
func (p *adapter) impact(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	route.GroupsQuery
	Action  string `query:"action" enum:"edit_groups_for_firmware" default:"edit_groups_for_firmware"`
	Version string `query:"firmware_version" required:"true" example:"7"`
	Default string `query:"product_default" enum:"true,false" doc:"Absent: unchanged"`
}) (*route.Reply[api.Impact], error) {
	v, err := rest.VersionParam("firmware_version", in.Version)
	if err != nil {
		return nil, err
	}
	product := in.Found().ID
	order, err := p.Order(ctx, who, product, api.Release{
		Version: api.Version{Version: v}, Groups: api.Some(in.Names), Default: rest.Choice(in.Default),
	})
	if err != nil {
		return nil, err
	}
	impact, err := p.Releases.Impact(ctx, who, product, order)
	return route.Answer(rest.ShownImpact(impact), err)
}

// conflict is what operations on users may fail with.
const conflict = http.StatusConflict
