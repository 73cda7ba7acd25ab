// Package history is the operations of the REST API on what fleets did over time.
package history

import (
	"context"
	"strconv"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/history"
)

// operations answers about the past.
type operations struct {
	*rest.API
	past *history.History
}

// Tables returns the routes.
func Tables(a *rest.API, past *history.History) []route.Table {
	const product = "/v1/products/{product}"
	o := operations{a, past}
	return []route.Table{{Tag: "history", Routes: []route.Route{
		route.Get("GetHistory", product+"/history", "Devices by version, devices online, handshakes and failures over time, of all devices of a product", route.Needs(fleet.SeeAudit), o.product),
		route.Get("GetGroupHistory", product+"/groups/{group}/history", "The same of the product's devices in one group; up to 64 groups of a product have a past", route.Needs(fleet.SeeGroup), o.group),
		route.Get("GetTeamHistory", "/v1/team/history", "The same of all products of the team together, without versions", route.Needs(fleet.SeeAudit), o.team),
		route.Get("GetReleaseHistory", product+"/releases/{release}/history", "How the devices of a release with a plan stood over time, for those who see all of them", route.Needs(fleet.SeeTeam), o.release),
	}}}
}

// Span is the query parameters that select a range of time.
type Span struct {
	Range string `query:"range" default:"1h" doc:"How much time, up to to; as in 30m, 24h, 30d or 2y" example:"24h"`
	To    string `query:"to" doc:"Its end; now if absent" example:"2026-11-29T12:00:00Z"`
	Step  string `query:"step" doc:"The least length of a point, as in 10s, 10m or 1d; what makes 400 points or fewer if absent" example:"10m"`
}

// query is in as a query. One without an end has none, so that marks and points are those up to now.
func (in Span) query(now time.Time) (q history.Query, err error) {
	if in.To != "" {
		if q.To, err = time.Parse(time.RFC3339, in.To); err != nil {
			return q, fleet.FieldErrorf("to", "to=%.40q is not a time: write it as 2026-11-29T12:00:00Z", in.To)
		}
		now = q.To
	}
	length, err := lasting("range", in.Range)
	if err != nil {
		return q, err
	}
	q.From = now.Add(-length)
	if in.Step != "" {
		q.Step, err = lasting("step", in.Step)
	}
	return q, err
}

func lasting(field, text string) (time.Duration, error) {
	length, ok := api.ParseLength(text)
	if !ok {
		return 0, fleet.FieldErrorf(field, "%s=%.20q is not a length of time: use one such as 30m, 24h, 30d or 2y", field, text)
	}
	return length, nil
}

func (o operations) product(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	Span
}) (*route.Reply[api.Past], error) {
	q, err := in.query(time.Now())
	if err != nil {
		return nil, err
	}
	past, err := o.past.Product(ctx, who, in.Found().ID, q)
	if err != nil {
		return nil, err
	}
	names, err := o.Registry.GroupNames(ctx, who, in.Found().ID)
	return route.Answer(shown(past, names), err)
}

func (o operations) group(ctx context.Context, who fleet.Actor, in *struct {
	rest.GroupPath
	Span
}) (*route.Reply[api.Past], error) {
	q, err := in.query(time.Now())
	if err != nil {
		return nil, err
	}
	group, err := o.Registry.Group(ctx, who, in.Found().ID, in.Group)
	if err != nil {
		return nil, err
	}
	past, err := o.past.Group(ctx, who, in.Found().ID, group.ID, q)
	return route.Answer(shown(past, map[fleet.GroupID]string{group.ID: group.Name}), err)
}

func (o operations) team(ctx context.Context, who fleet.Actor, in *Span) (*route.Reply[api.Past], error) {
	q, err := in.query(time.Now())
	if err != nil {
		return nil, err
	}
	past, err := o.past.Team(ctx, who, q)
	return route.Answer(shown(past, nil), err)
}

func shown(past history.Series, groups map[fleet.GroupID]string) api.Past {
	out := api.Past{From: past.From.UTC(), To: past.To.UTC(), Step: api.Span{Duration: past.Step}, Points: []api.PastPoint{}, Marks: []api.PastMark{}, LeftOut: past.LeftOut}
	for _, p := range past.Points {
		point := api.PastPoint{At: p.At, Sampled: p.Seconds, Devices: p.Total, Online: p.Online, Versions: p.Devices, Handshakes: p.Handshakes}
		if len(p.Failures) > 0 {
			point.Failures = make(map[string]int)
		}
		for reason, n := range p.Failures {
			point.Failures[strconv.Itoa(int(reason))] = n
		}
		out.Points = append(out.Points, point)
	}
	for _, m := range past.Marks {
		out.Marks = append(out.Marks, api.PastMark{At: m.At, What: m.What, Version: m.Version, Group: groups[m.Group], Release: uint32(m.Release)})
	}
	return out
}

func (o operations) release(ctx context.Context, who fleet.Actor, in *rest.ReleasePath) (*route.Reply[api.BurnDown], error) {
	id, _ := strconv.ParseUint(in.Release, 10, 32) // Find has checked it
	burns, err := o.past.Release(ctx, who, in.Found().ID, fleet.ReleaseID(id))
	out := api.BurnDown{Points: []api.Burn{}}
	for _, b := range burns {
		out.Points = append(out.Points, api.Burn{
			At: b.At, State: b.State.String(), Share: api.Percent{Share: b.Share}, Waiting: b.Waiting, Downloading: b.Downloading, Applying: b.Applying,
			Confirmed: b.Confirmed, Failed: b.Failed, Lost: b.Lost,
		})
	}
	return route.Answer(out, err)
}
