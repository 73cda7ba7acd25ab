// Package rehearsal is the operation of the REST API that rehearses a release.
package rehearsal

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/rehearsal"
)

// operations rehearses.
type operations struct {
	*rest.API
	rehearsals *rehearsal.Service
}

// Tables returns the routes.
func Tables(a *rest.API, r *rehearsal.Service) []route.Table {
	o := operations{a, r}
	return []route.Table{{Tag: "releases", Routes: []route.Route{
		route.Post("RehearseRelease", "/v1/products/{product}/firmware/rehearsal",
			"Run a release with a plan on a copy of the fleet, in a time of its own, and change nothing", route.Needs(fleet.ReleaseToGroup), o.rehearse).
			Fails(http.StatusConflict).
			Example(`{"version":7,"product_default":true,"plan":{"stages":[{"share":"10%","hold":"24h"},{"share":"100%"}],"halt":{"failures":"5%"}},"faults":[{"phase":"verify","share":"5%"}]}`),
	}}}
}

func (o operations) rehearse(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	route.Input[api.Rehearse]
}) (*route.Reply[api.Rehearsal], error) {
	order, err := o.Order(ctx, who, in.Found().ID, in.In.Release)
	if err != nil {
		return nil, err
	}
	faults := make([]rehearsal.Fault, 0, len(in.In.Faults))
	for _, f := range in.In.Faults {
		faults = append(faults, rehearsal.Fault{Phase: rehearsal.Phase(f.Phase), Share: f.Share.Share})
	}
	r, err := o.rehearsals.Rehearse(ctx, who, in.Found().ID, order, faults)
	if err != nil {
		return nil, err
	}
	return route.Answer(shown(r), nil)
}

func shown(r *rehearsal.Report) api.Rehearsal {
	out := api.Rehearsal{
		Began: r.Began, Length: span(r.Length), State: r.State.String(), Why: r.Why, Devices: r.Devices,
		Confirmed: r.Confirmed, Failed: r.Failed, Lost: r.Lost, Returned: r.Returned, Failures: r.Failures, Peak: r.Peak, Sent: r.Sent,
		Stages: []api.RehearsedStage{}, Curve: []api.RehearsedPoint{}, Moves: rest.ShownImpact(fleet.Impact{Moves: r.Moves}).Devices.Update.Moves,
		Check: api.RehearsalCheck(r.Check),
	}
	for _, part := range []struct {
		at  time.Duration
		out **api.Span
	}{{r.Half, &out.Done.Half}, {r.Most, &out.Done.Most}, {r.Nearly, &out.Done.Nearly}} {
		if part.at > 0 {
			at := span(part.at)
			*part.out = &at
		}
	}
	for _, s := range r.Stages {
		out.Stages = append(out.Stages, api.RehearsedStage{Number: s.Number, Share: s.Share, Began: span(s.Began), Confirmed: s.Confirmed, Failed: s.Failed, Lost: s.Lost})
	}
	for _, m := range r.Curve {
		out.Curve = append(out.Curve, api.RehearsedPoint{At: span(m.At), Waiting: m.Waiting, Updating: m.Updating, Confirmed: m.Confirmed, Failed: m.Failed, Lost: m.Lost})
	}
	return out
}

func span(d time.Duration) api.Span { return api.Span{Duration: d.Round(time.Second)} }
