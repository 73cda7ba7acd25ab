// Package updates is the operations of the REST API on the updates of many devices at once: which
// devices don't run their target yet and why, and retries.
package updates

import (
	"context"
	"net/url"
	"slices"
	"strconv"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/remaining"
)

// operations answers about updates.
type operations struct {
	*rest.API
	remaining *remaining.Service
}

// Tables returns the routes.
func Tables(a *rest.API, r *remaining.Service) []route.Table {
	const product = "/v1/products/{product}"
	o := operations{a, r}
	return []route.Table{{Tag: "updates", Routes: []route.Route{
		route.Get("GetRemaining", product+"/remaining", "How many devices don't run their target yet, and why", route.Needs(fleet.SeeDevice), o.causes),
		route.Get("ListRemaining", product+"/remaining/devices", "The devices that don't run their target yet, by id, each with why", route.Needs(fleet.SeeDevice), o.devices),
		route.Post("RetryUpdates", product+"/updates/retry", "Reset the attempts of many devices, and re-evaluate them", route.Needs(fleet.OperateDevice), o.retry).
			Example(`{"states":["stopped","failed"],"version":7}`),
	}}}
}

// Selection is the query parameters that select devices.
type Selection struct {
	rest.ProductPath
	Version string `query:"version" doc:"Their target is this version" example:"7"`
	Release string `query:"release" doc:"The release with this number, with a plan, gave them their target" example:"3"`
}

func (s *Selection) query() (q remaining.Query, err error) {
	q.Product = s.Found().ID
	if q.Version, err = rest.VersionParam("version", s.Version); err != nil || s.Release == "" {
		return q, err
	}
	id, err := strconv.ParseUint(s.Release, 10, 32)
	if err != nil || id == 0 {
		return q, fleet.FieldErrorf("release", "a release has a number: %.40s", s.Release)
	}
	q.Release = fleet.ReleaseID(id)
	return q, nil
}

func (o operations) causes(ctx context.Context, who fleet.Actor, in *struct {
	Selection
	Devices int `query:"devices" minimum:"0" maximum:"100" default:"10" doc:"Devices to name per cause"`
}) (*route.Reply[api.Remaining], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	causes, err := o.remaining.Causes(ctx, who, q, in.Devices)
	out := api.Remaining{Causes: []api.RemainingCause{}}
	for _, c := range causes {
		out.Total += c.Devices
		out.Causes = append(out.Causes, api.RemainingCause{
			Cause: c.Name, Text: remaining.Text(c.Name), Total: c.Devices, Devices: rest.Texts(c.First), List: in.list(c.Name),
		})
	}
	return route.Answer(out, err)
}

// list is the path and query of the list of all devices with a cause.
func (s *Selection) list(cause string) string {
	q := url.Values{"cause": {cause}}
	if s.Version != "" {
		q.Set("version", s.Version)
	}
	if s.Release != "" {
		q.Set("release", s.Release)
	}
	return "/v1/products/" + url.PathEscape(s.ProductName) + "/remaining/devices?" + q.Encode()
}

func (o operations) devices(ctx context.Context, who fleet.Actor, in *struct {
	Selection
	route.Cursors
	Cause string `query:"cause" doc:"Only those with this cause" example:"offline"`
}) (*route.Reply[api.Page[api.RemainingDevice]], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	q.Cause = in.Cause
	devices, next, err := o.remaining.Devices(ctx, who, q, in.PageNextToken, in.PageLimit)
	rows := make([]api.RemainingDevice, 0, len(devices))
	for _, d := range devices {
		rows = append(rows, api.RemainingDevice{
			DeviceID: d.ID.String(), Running: api.Reported{Version: d.Running}, Target: api.Version{Version: d.Target},
			Cause: d.Cause, Text: remaining.Text(d.Cause), Online: d.Online,
		})
	}
	return route.Answer(api.PageOf(rows, next), err)
}

// retried are the states of a latest update that a retry makes a difference to.
var retried = []fleet.UpdateState{fleet.Stopped, fleet.Failed, fleet.RolledBack}

func (o operations) retry(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	rest.Preview
	route.Input[api.RetryUpdates]
}) (*route.Reply[api.RetriedUpdates], error) {
	q := fleet.DeviceQuery{Product: in.Found().ID, UpdateTo: in.In.Version.Version}
	for _, text := range in.In.States {
		state, err := fleet.ParseUpdateState(text)
		if err != nil || !slices.Contains(retried, state) {
			return nil, fleet.FieldErrorf("states", "%.40q: updates can be retried that are stopped, failed or rolled_back", text)
		}
		q.Updates = append(q.Updates, state)
	}
	if len(q.Updates) == 0 {
		return nil, fleet.FieldErrorf("states", "which updates? Name at least one of stopped, failed and rolled_back")
	}
	n, err := o.Releases.CountRetries(who, q)
	out := api.RetriedUpdates{Devices: n.Devices, Online: n.Online}
	if err != nil || in.DryRun {
		return route.Answer(out, err)
	}
	out.Devices, out.More, err = o.Releases.RetryAll(ctx, who, q)
	return route.Answer(out, err)
}
