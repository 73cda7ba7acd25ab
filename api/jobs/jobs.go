// Package jobs is the operations of the REST API on background jobs, and on saved filters.
package jobs

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/job"
)

// operations answers about jobs and filters.
type operations struct {
	*rest.API
	jobs    *job.Service
	filters *filter.Service
}

// Tables returns the routes.
func Tables(a *rest.API, j *job.Service, f *filter.Service) []route.Table {
	const product, one = "/v1/products/{product}", "/v1/jobs/{job}"
	o := operations{a, j, f}
	return []route.Table{{Tag: "jobs", Routes: []route.Route{
		route.Post("StartJob", product+"/jobs", "Change many devices in the background", route.Needs(fleet.OperateDevice), o.start).
			Accepted().Fails(http.StatusTooManyRequests).
			Example(`{"action":"lock","query":"group=beta&online=no","metadata":{"version":7}}`),
		route.Get("ListJobs", "/v1/jobs", "The latest jobs, newest first: one's own, and for admins all of the team", route.Needs(fleet.SeeTeam), o.list),
		route.Get("GetJob", one, "One job", route.Needs(fleet.SeeTeam), o.get),
		route.Post("CancelJob", one+"/cancel", "End a job: the devices it has not come to are left as they are", route.Needs(fleet.SeeTeam), o.cancel).
			Fails(http.StatusConflict),
	}}, {Tag: "filters", Routes: []route.Route{
		route.Get("ListFilters", product+"/filters", "Saved filters of a product's devices", route.Needs(fleet.SeeTeam), o.listFilters),
		route.Put("SaveFilter", product+"/filters/{filter}", "Save a filter, in the place of one with that name", route.Needs(fleet.EditDevice), o.saveFilter).
			Fails(http.StatusConflict).Example(`{"query":"group=beta&online=yes"}`),
		route.Delete("DeleteFilter", product+"/filters/{filter}", "Delete a saved filter", route.Needs(fleet.EditDevice), o.deleteFilter),
	}}}
}

// jobPath names a job.
type jobPath struct {
	Job uint32 `path:"job" doc:"Number of the job" example:"7"`
}

func (o operations) start(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	rest.Preview
	route.Input[api.NewJob]
}) (*route.Reply[api.StartedJob], error) {
	order, err := o.order(ctx, who, in.Found().ID, &in.In)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		impact, err := o.jobs.Preview(ctx, who, order)
		out := &api.JobImpact{Devices: impact.Devices, Online: impact.Online, Held: impact.Held}
		if impact.Targets != nil {
			out.Impact = new(rest.ShownImpact(*impact.Targets))
		}
		return route.Answer(api.StartedJob{Impact: out}, err)
	}
	j, err := o.jobs.Start(ctx, who, order)
	return route.Answer(api.StartedJob{Job: new(shown(&j))}, err)
}

// order is the job that a request asks for.
func (o operations) order(ctx context.Context, who fleet.Actor, product fleet.ProductID, in *api.NewJob) (job.Order, error) {
	m := in.Metadata
	order := job.Order{
		Product: product, Action: job.Action(in.Action), Add: m.Add, Remove: m.Remove, Now: m.Flash,
		Command: m.Name, Payload: m.Message, TTL: time.Duration(m.ExpiresIn) * time.Second,
	}
	if m.Version != nil {
		order.Version = m.Version.Version
	}
	if err := job.May(who, order.Action); err != nil {
		return order, err
	}
	if err := takes(order.Action, &m); err != nil {
		return order, err
	}
	const which = "which devices? Send one of devices, filter and query; an empty query is all devices of the product"
	switch devices, saved, query := len(in.Devices) > 0, in.Filter != "", in.Query != nil; {
	case saved && (devices || query):
		return order, fleet.FieldErrorf("filter", which)
	case devices == query && !saved:
		return order, fleet.FieldErrorf("devices", which)
	}
	for _, text := range in.Devices {
		id, err := fleet.ParseDeviceID(text)
		if err != nil {
			return order, fleet.FieldErrorf("devices", "%s", err)
		}
		order.Devices = append(order.Devices, id)
	}
	if order.Devices != nil {
		return order, nil
	}
	var f filter.Fields
	var err error
	if in.Filter != "" {
		f, err = o.filters.Find(ctx, who, product, in.Filter)
	} else {
		f, err = filter.Parse(*in.Query)
	}
	if err != nil {
		return order, err
	}
	order.Of = f.String()
	order.Query, err = o.filters.Query(ctx, who, product, f)
	return order, err
}

// takes refuses what an action has no use for: who sends it expects more than would be done.
func takes(action job.Action, m *api.JobMetadata) error {
	for _, field := range []struct {
		name  string
		given bool
		of    []job.Action
	}{
		{"add", len(m.Add) > 0, []job.Action{job.Groups}},
		{"remove", len(m.Remove) > 0, []job.Action{job.Groups}},
		{"version", m.Version != nil, []job.Action{job.Lock, job.Flash}},
		{"flash", m.Flash, []job.Action{job.Lock}},
		{"name", m.Name != "", []job.Action{job.Command}},
		{"message", len(m.Message) > 0, []job.Action{job.Command}},
		{"expires_in", m.ExpiresIn != 0, []job.Action{job.Command}},
	} {
		if field.given && !slices.Contains(field.of, action) {
			return fleet.FieldErrorf("metadata."+field.name, "the action %s takes no %s", action, field.name)
		}
	}
	return nil
}

func (o operations) list(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.Page[api.Job]], error) {
	list, err := o.jobs.List(ctx, who)
	rows := make([]api.Job, 0, len(list))
	for _, j := range list {
		rows = append(rows, shown(&j))
	}
	return route.Answer(api.PageOf(rows, ""), err)
}

func (o operations) get(ctx context.Context, who fleet.Actor, in *jobPath) (*route.Reply[api.Job], error) {
	j, troubles, err := o.jobs.Job(ctx, who, in.Job)
	out := shown(&j)
	for _, t := range troubles {
		out.Troubles = append(out.Troubles, api.JobTrouble{Device: rest.Texts([]fleet.DeviceID{t.Device})[0], Reason: t.Reason, Text: t.Text})
	}
	return route.Answer(out, err)
}

func (o operations) cancel(ctx context.Context, who fleet.Actor, in *jobPath) (*route.Reply[api.Job], error) {
	j, err := o.jobs.Cancel(ctx, who, in.Job)
	return route.Answer(shown(&j), err)
}

func shown(j *job.Job) api.Job {
	out := api.Job{
		Number: j.Number, Action: string(j.Action), Of: j.Of, ProductID: uint32(j.Product), State: string(j.State), Why: j.Why,
		Devices: j.Devices, Done: j.Done, Skipped: j.Skipped, Failed: j.Bad, Left: j.Left(), Reasons: j.Reasons,
		By: j.Email, Started: j.Started.UTC(), Ended: rest.Moment(j.Ended), What: j.Names,
	}
	for _, text := range []string{j.Version, j.Command} {
		if text != "" {
			out.What = append(out.What, text)
		}
	}
	return out
}

// FilterPath names a saved filter.
type FilterPath struct {
	rest.ProductPath
	Filter string `path:"filter" doc:"Name of the filter" example:"silent-beta"`
}

func (o operations) listFilters(ctx context.Context, who fleet.Actor, in *rest.ProductPath) (*route.Reply[api.Page[api.SavedFilter]], error) {
	list, err := o.filters.List(ctx, who, in.Found().ID)
	rows := make([]api.SavedFilter, 0, len(list))
	for _, f := range list {
		rows = append(rows, shownFilter(f))
	}
	return route.Answer(api.PageOf(rows, ""), err)
}

func (o operations) saveFilter(ctx context.Context, who fleet.Actor, in *struct {
	FilterPath
	route.Input[api.FilterFields]
}) (*route.Reply[api.SavedFilter], error) {
	f, err := filter.Parse(in.In.Query)
	if err != nil {
		return nil, err
	}
	saved, err := o.filters.Save(ctx, who, in.Found().ID, in.Filter, f)
	return route.Answer(shownFilter(saved), err)
}

func (o operations) deleteFilter(ctx context.Context, who fleet.Actor, in *FilterPath) (*route.None, error) {
	return nil, o.filters.Delete(ctx, who, in.Found().ID, in.Filter)
}

func shownFilter(f filter.Saved) api.SavedFilter {
	return api.SavedFilter{Name: f.Name, Query: f.Query, By: f.By}
}
