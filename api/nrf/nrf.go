// Package nrf is the operations of the REST API that exist for nRF Cloud's clients, in the
// shapes those clients expect.
//
// It hides nRF Cloud's names: tags for groups, messages to devices for commands, its filters
// and its account. Operations that nRF Cloud and Muster share are in package rest.
package nrf

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// adapter answers nRF Cloud's clients.
type adapter struct{ *rest.API }

// Tables returns the routes.
func Tables(a *rest.API) []route.Table {
	const devices, device = "/v1/devices", "/v1/devices/{device}"
	n := &adapter{a}
	return []route.Table{
		{Tag: "session", Routes: []route.Route{
			route.Get("GetAccount", "/v1/account", "My team, role and groups", route.Needs(fleet.SeeTeam), n.getAccount),
		}},
		{Tag: "team devices", Routes: []route.Route{
			route.Get("ListDevices", devices, "Devices of the team, by cursor", route.Needs(fleet.SeeDevice), n.listDevices),
			route.Get("FetchDevice", device, "One device", route.Needs(fleet.SeeDevice), n.fetchDevice),
			route.Get("ListDeviceTags", devices+"/tags", "Tags of the team's devices: the names of its groups", route.Needs(fleet.SeeGroup), n.listTags),
			route.Put("UpdateDeviceTags", device+"/tags", "Put a device into these groups and out of all others", route.Needs(fleet.AssignGroups), n.updateTags).
				Accepted().Fails(http.StatusConflict, http.StatusPreconditionFailed).Example(`["beta"]`),
			route.Post("SendDeviceMessage", device+"/messages", "Send a message to a device: a command by another name",
				route.Needs(fleet.OperateDevice), n.sendMessage).
				Accepted().Example(`{"topic":"blink","message":{"times":3}}`),
		}},
		{Tag: "messages", Routes: []route.Route{
			route.Get("ListMessages", "/v1/messages", "Messages of the team's devices, whatever their groups", route.Needs(fleet.SeeMessages), n.listMessages),
		}},
	}
}

func (n *adapter) getAccount(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.Account], error) {
	a, err := n.Accounts.Account(ctx, who)
	if err != nil {
		return nil, err
	}
	tags := a.Groups
	if tags == nil {
		tags = []string{} // JSON shows [] instead of null
	}
	return route.Answer(api.Account{
		MQTTEndpoint: n.Config.MQTT, Team: api.TeamName{TenantID: a.Team.ID.String(), Name: a.Team.Name},
		Role: a.Role.String(), UserID: a.User.ID.String(), Email: a.User.Email, Tags: tags,
	}, nil)
}
