package nrf

import (
	"context"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// DeviceParams is the query parameter of nRF Cloud's answers with devices that Muster ignores.
type DeviceParams struct {
	Transform string `query:"transform" doc:"Accepted for nRF Cloud's clients and ignored: JSONata is not supported"`
}

// ListParams is the query parameters of nRF Cloud's list of devices beyond the filters.
type ListParams struct {
	DeviceParams
	State     string `query:"includeState" doc:"Accepted for nRF Cloud's clients and ignored: devices have no shadow"`
	StateMeta string `query:"includeStateMeta" doc:"Accepted for nRF Cloud's clients and ignored"`
	Supports  string `query:"firmwareSupport" doc:"What the device can update, separated by commas; for every device this is APP"`
	Lacks     string `query:"firmwareSupportExclude" doc:"What the device can't update, separated by commas"`
	BLE       string `query:"bleFirmwareSupport" doc:"Accepted for nRF Cloud's clients and ignored"`
	SubTypes  string `query:"subTypes" doc:"Sub-types separated by commas: no device has one"`
}

// selectsNothing reports whether no device matches the filters.
func (l ListParams) selectsNothing() bool {
	supports := api.SplitNames(l.Supports)
	return len(api.SplitNames(l.SubTypes)) > 0 || len(supports) > 0 && !slices.Contains(supports, rest.Supported) ||
		slices.Contains(api.SplitNames(l.Lacks), rest.Supported)
}

// DeviceQuery is the query parameters that select devices of the team.
type DeviceQuery struct {
	route.GroupsQuery
	IDs         []string `query:"deviceIds,explode" doc:"Device ids separated by commas, at most 1,000"`
	Identifiers string   `query:"deviceIdentifiers" doc:"The same as deviceIds: a device has no other identifier"`
	Fuzzy       string   `query:"deviceNameFuzzy" doc:"The name begins with this"`
	Kinds       []string `query:"deviceTypes,explode" doc:"Generic, Gateway, BLE separated by commas"`
	Gateway     string   `query:"gatewayId" doc:"Attached to this gateway"`
}

func (f DeviceQuery) query() (fleet.DeviceQuery, error) {
	q := fleet.DeviceQuery{NamePrefix: f.Fuzzy, Gateway: fleet.DeviceNamed(f.Gateway)}
	ids := api.SplitNames(append(f.IDs, f.Identifiers)...)
	if err := ids.Check(); err != nil {
		return q, fleet.FieldErrorf("deviceIds", "%s", err)
	}
	for _, text := range ids {
		q.IDs = append(q.IDs, fleet.DeviceNamed(text))
	}
	for _, text := range api.SplitNames(f.Kinds...) {
		kind, ok := map[string]fleet.DeviceKind{"generic": fleet.Generic, "gateway": fleet.Gateway, "ble": fleet.BLE}[strings.ToLower(text)]
		if !ok {
			return q, fleet.FieldErrorf("deviceTypes", "device type %.40q: use Generic, Gateway, BLE", text)
		}
		q.Kinds = append(q.Kinds, kind)
	}
	return q, nil
}

func (n *adapter) listDevices(ctx context.Context, who fleet.Actor, in *struct {
	DeviceQuery
	ListParams
	route.Cursors
}) (*route.Reply[api.Page[api.Device]], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	if in.selectsNothing() {
		return route.Answer(api.PageOf[api.Device](nil, ""), nil)
	}
	q.Limit, q.After = in.PageLimit, in.PageNextToken
	views, err := n.FindDevices(ctx, who, q, in.GroupsQuery)
	return route.Answer(api.PageOf(rest.ShownDevices(views), views.Next), err)
}

func (n *adapter) fetchDevice(ctx context.Context, who fleet.Actor, in *struct {
	rest.TeamDevicePath
	DeviceParams
}) (*route.Tagged[api.Device], error) {
	return n.GetDevice(ctx, who, in.Target())
}
