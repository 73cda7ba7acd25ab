package api

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Alert is something a person should look at.
type Alert struct {
	ID     string    `json:"id"`
	Device string    `json:"deviceId"`
	Type   uint64    `json:"type" doc:"The device's own number; 0 when Muster raised it"`
	Name   string    `json:"name" doc:"Muster's word for it"`
	Text   string    `json:"description"`
	Raised time.Time `json:"createdAt"`
	Status string    `json:"status" enum:"ACTIVE,ARCHIVED"`
}

// AlertPath names an alert.
type AlertPath struct {
	Alert string `path:"alert" doc:"Alert id"`
}

func (s *server) alerts() {
	const tag = "alerts"
	add(s, route{id: "ListAlerts", method: http.MethodGet, path: "/v1/alerts", summary: "Alerts of the team, newest first", tag: tag, access: needs(fleet.SeeMessages)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			Cursors
			Device  string `query:"deviceId" doc:"Of this device"`
			Devices string `query:"deviceIds" doc:"The same as deviceId: one device"`
			Status  string `query:"status" enum:"ACTIVE,ARCHIVED" default:"ACTIVE"`
		}) (*reply[Page[Alert]], error) {
			device, err := oneDevice(in.Device, in.Devices)
			if err != nil {
				return nil, err
			}
			q := fleet.AlertQuery{Team: who.Team, Device: device, Archived: in.Status == "ARCHIVED", After: in.PageNextToken, Limit: in.PageLimit}
			alerts, next, err := s.Alerts(ctx, who, q)
			shown := make([]Alert, 0, len(alerts))
			for _, a := range alerts {
				shown = append(shown, shownAlert(a))
			}
			return answer(page(shown, next), err)
		})
	move := func(id, word, summary string, archived bool) {
		add(s, route{id: id, method: http.MethodPatch, path: "/v1/alerts/{alert}/" + word, summary: summary, tag: tag, access: needs(fleet.OperateDevice)},
			func(ctx context.Context, who fleet.Actor, in *AlertPath) (*none, error) {
				return nil, s.ArchiveAlert(ctx, who, in.Alert, archived)
			})
	}
	move("ArchiveAlert", "archive", "Put an alert away", true)
	move("RestoreAlert", "restore", "Make an alert active again", false)
}

// oneDevice is the device that one of nRF Cloud's two parameters names; "" for all.
func oneDevice(texts ...string) (fleet.DeviceID, error) {
	ids := splitNames(texts...)
	switch len(ids) {
	case 0:
		return "", nil
	case 1:
		return fleet.DeviceID(ids[0]), nil
	}
	return "", fleet.FieldErrorf("deviceIds", "name one device, or none for all")
}

func shownAlert(a fleet.Alert) Alert {
	status := "ACTIVE"
	if a.Archived {
		status = "ARCHIVED"
	}
	return Alert{ID: a.ID, Device: string(a.Device), Type: a.Type, Name: a.Name, Text: a.Text, Raised: a.Raised.UTC(), Status: status}
}
