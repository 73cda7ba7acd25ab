// Package account is the operations of the REST API on what concerns a team as a whole: its quotas,
// and its audit log as it is kept.
package account

import (
	"context"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// operations answers about the team.
type operations struct{ *rest.API }

// Tables returns the routes.
func Tables(a *rest.API) []route.Table {
	o := operations{a}
	return []route.Table{{Tag: "teams", Routes: []route.Route{
		route.Get("GetQuotas", "/v1/team/quotas", "What the team may have, and what it has", route.Needs(fleet.SeeAudit), o.quotas),
	}}}
}

func (o operations) quotas(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.QuotaList], error) {
	usage, err := o.Quotas.Usage(ctx, who)
	out := api.QuotaList{Quotas: []api.Quota{}}
	for _, u := range usage {
		q := api.Quota{Name: u.Name, Used: u.Used, Unit: u.Unit, Advice: u.Advice, Share: u.Share}
		if u.Most > 0 {
			q.Limit = &u.Most
		}
		out.Quotas = append(out.Quotas, q)
	}
	return route.Answer(out, err)
}
