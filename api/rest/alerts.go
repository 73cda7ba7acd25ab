package rest

import (
	"context"
	"encoding/json"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

func (a *API) alerts() route.Table {
	const one = "/v1/alerts/{alert}"
	return route.Table{Tag: "alerts", Routes: []route.Route{
		route.Get("ListAlerts", "/v1/alerts", "Alerts of the team, newest first", route.Needs(fleet.SeeMessages), a.listAlerts),
		route.Patch("ArchiveAlert", one+"/archive", "Archive an alert", route.Needs(fleet.OperateDevice), a.archiveAlert),
		route.Patch("RestoreAlert", one+"/restore", "Make an archived alert active again", route.Needs(fleet.OperateDevice), a.restoreAlert),
	}}
}

func (a *API) listAlerts(ctx context.Context, who fleet.Actor, in *struct {
	route.Cursors
	Device  string `query:"deviceId" doc:"Alerts of this device"`
	Devices string `query:"deviceIds" doc:"The same as deviceId: one device"`
	Status  string `query:"status" enum:"ACTIVE,ARCHIVED" default:"ACTIVE"`
}) (*route.Reply[api.Page[api.Alert]], error) {
	device, err := oneDevice(in.Device, in.Devices)
	if err != nil {
		return nil, err
	}
	alerts, next, err := a.Registry.Alerts(ctx, who, fleet.AlertQuery{
		Team: who.Team, Device: device, Archived: in.Status == "ARCHIVED", After: in.PageNextToken, Limit: in.PageLimit,
	})
	shown := make([]api.Alert, 0, len(alerts))
	for _, alert := range alerts {
		shown = append(shown, shownAlert(alert))
	}
	return route.Answer(api.PageOf(shown, next), err)
}

func (a *API) archiveAlert(ctx context.Context, who fleet.Actor, in *AlertPath) (*route.None, error) {
	return nil, a.Registry.ArchiveAlert(ctx, who, in.Alert, true)
}

func (a *API) restoreAlert(ctx context.Context, who fleet.Actor, in *AlertPath) (*route.None, error) {
	return nil, a.Registry.ArchiveAlert(ctx, who, in.Alert, false)
}

// oneDevice is the device in one of nRF Cloud's two parameters; "" for all.
func oneDevice(texts ...string) (fleet.DeviceID, error) {
	ids := api.SplitNames(texts...)
	switch len(ids) {
	case 0:
		return "", nil
	case 1:
		return fleet.DeviceNamed(ids[0]), nil
	}
	return "", fleet.FieldErrorf("deviceIds", "name one device, or none for all")
}

func shownAlert(a fleet.Alert) api.Alert {
	status := "ACTIVE"
	if a.Archived {
		status = "ARCHIVED"
	}
	return api.Alert{ID: a.ID, Device: a.Device.String(), Type: a.Type, Name: a.Name, Text: a.Text, Value: json.RawMessage(a.Value), Raised: a.Raised.UTC(), Status: status}
}
