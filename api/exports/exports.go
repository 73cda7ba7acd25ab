// Package exports is the operations of the REST API that write whole lists, as CSV or JSON lines.
package exports

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/export"
	"github.com/muster-iot/muster/fleet"
)

// operations answer with what the caller's lists have.
type operations struct{ *rest.API }

// Tables returns the routes.
func Tables(a *rest.API) []route.Table {
	const product, team = "/v1/products/{product}/export/", "/v1/export/"
	o := operations{a}
	return []route.Table{{Tag: "exports", Routes: []route.Route{
		route.Get("ExportDevices", product+"devices", "All devices that a filter selects, by id", route.Needs(fleet.SeeDevice), o.devices).Responds(file),
		route.Get("ExportUpdates", product+"updates", "Each device's newest update, by state and version", route.Needs(fleet.SeeDevice), o.updates).Responds(file),
		route.Get("ExportMessages", team+"messages", "Messages of the team's devices, newest first", route.Needs(fleet.SeeMessages), o.messages).Responds(file),
		route.Get("ExportAlerts", team+"alerts", "Alerts of the team, newest first", route.Needs(fleet.SeeMessages), o.alerts).Responds(file),
		route.Get("ExportAudit", team+"audit", "The audit log, newest first", route.Needs(fleet.SeeAudit), o.audit).Responds(file),
	}}}
}

// file documents the answers.
func file(huma.Registry) map[string]*huma.Response {
	text := &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	return map[string]*huma.Response{"200": {
		Description: "The rows. If the connection breaks off, the list is not complete",
		Content:     map[string]*huma.MediaType{"text/csv": text, "application/jsonl": text},
	}}
}

// Format is the query parameter that all exports have.
type Format struct {
	Format string `query:"format" enum:"csv,jsonl" default:"csv" doc:"CSV with a heading, or an object per line"`
}

// kind is the format, which the route has checked.
func (f Format) kind() export.Format { return export.Format(f.Format) }

func (o operations) devices(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	rest.DeviceQuery
	Format
}) (*huma.StreamResponse, error) {
	q, err := in.Query()
	if err != nil {
		return nil, err
	}
	q.Product, q.Limit = in.Found().ID, export.PageSize
	q.Sort, q.Descending = fleet.ByID, false // in another order, a device that moves meanwhile is missed
	return answer(export.Devices(in.kind(), func(after string) ([]fleet.DeviceView, string, error) {
		q.After = after
		views, err := o.FindDevices(ctx, who, q, in.GroupsQuery)
		return views.Devices, views.Next, err
	}))
}

func (o operations) updates(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	Format
	rest.UpdateQuery
}) (*huma.StreamResponse, error) {
	q, err := in.Query(who, in.Found().ID)
	if err != nil {
		return nil, err
	}
	q.Limit = export.PageSize
	return answer(export.Updates(in.kind(), func(after string) ([]fleet.DeviceUpdate, string, error) {
		q.After = after
		return o.Releases.Updates(ctx, who, q)
	}))
}

func (o operations) messages(ctx context.Context, who fleet.Actor, in *struct {
	Format
	Device string    `query:"deviceId"`
	Topic  string    `query:"topic"`
	Part   string    `query:"search" doc:"Part of the topic or of the device id, in upper or lower case"`
	From   time.Time `query:"start" doc:"Received at this time or later, in RFC 3339"`
	To     time.Time `query:"end" doc:"Received before this time"`
}) (*huma.StreamResponse, error) {
	q := fleet.MessageQuery{Team: who.Team, Device: fleet.DeviceNamed(in.Device), Topic: in.Topic, Part: in.Part, From: in.From, To: in.To, Limit: export.PageSize}
	return answer(export.Messages(in.kind(), func(after string) ([]fleet.Message, string, error) {
		q.After = after
		return o.Registry.Messages(ctx, who, q)
	}))
}

func (o operations) alerts(ctx context.Context, who fleet.Actor, in *struct {
	Format
	Device string `query:"deviceId"`
	Status string `query:"status" enum:"ACTIVE,ARCHIVED" default:"ACTIVE"`
}) (*huma.StreamResponse, error) {
	q := fleet.AlertQuery{Team: who.Team, Device: fleet.DeviceNamed(in.Device), Archived: in.Status == "ARCHIVED", Limit: export.PageSize}
	return answer(export.Alerts(in.kind(), func(after string) ([]fleet.Alert, string, error) {
		q.After = after
		return o.Registry.Alerts(ctx, who, q)
	}))
}

func (o operations) audit(ctx context.Context, who fleet.Actor, in *struct {
	Format
	rest.AuditQuery
}) (*huma.StreamResponse, error) {
	q := in.Query()
	q.Limit = export.PageSize
	return answer(export.Audit(in.kind(), func(after string) ([]fleet.AuditEntry, string, error) {
		q.After = after
		return o.Audit.Page(ctx, who, q)
	}))
}

// answer streams an export.
func answer(list *export.List, err error) (*huma.StreamResponse, error) {
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		list.Serve(w)
	}}, nil
}
