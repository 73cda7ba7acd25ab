package rest

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func (a *API) updates() route.Table {
	const one = "/v1/devices/{device}/updates"
	return route.Table{Tag: "updates", Routes: []route.Route{
		route.Get("ListProductUpdates", "/v1/products/{product}/updates", "Each device's newest update, by state and version",
			route.Needs(fleet.SeeDevice), a.listProductUpdates),
		route.Get("ListDeviceUpdates", one, "Updates of one device, newest first", route.Needs(fleet.SeeDevice), a.listDeviceUpdates),
		route.Post("StopUpdate", one+"/stop", "Stop its running update, until the target changes or a retry", route.Needs(fleet.OperateDevice), a.stopUpdate).
			Fails(http.StatusConflict),
		route.Post("RetryUpdate", one+"/retry", "Reset its attempts and re-evaluate it", route.Needs(fleet.OperateDevice), a.retryUpdate).
			Fails(http.StatusConflict),
	}}
}

func (a *API) listProductUpdates(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	route.Cursors
	UpdateQuery
}) (*route.Reply[api.Page[api.Update]], error) {
	q, err := in.Query(who, in.product.ID)
	if err != nil {
		return nil, err
	}
	q.After, q.Limit = in.PageNextToken, in.PageLimit
	return a.findUpdates(ctx, who, q)
}

func (a *API) listDeviceUpdates(ctx context.Context, who fleet.Actor, in *TeamDevicePath) (*route.Reply[api.Page[api.Update]], error) {
	return a.findUpdates(ctx, who, fleet.UpdateQuery{Actor: who, Device: in.target.Device, Limit: api.MaxRows})
}

func (a *API) findUpdates(ctx context.Context, who fleet.Actor, q fleet.UpdateQuery) (*route.Reply[api.Page[api.Update]], error) {
	updates, next, err := a.Releases.Updates(ctx, who, q)
	shown := make([]api.Update, 0, len(updates))
	for _, u := range updates {
		shown = append(shown, shownUpdate(u))
	}
	return route.Answer(api.PageOf(shown, next), err)
}

func (a *API) stopUpdate(ctx context.Context, who fleet.Actor, in *TeamDevicePath) (*route.None, error) {
	return nil, a.Releases.Stop(ctx, who, in.target.Device)
}

func (a *API) retryUpdate(ctx context.Context, who fleet.Actor, in *TeamDevicePath) (*route.None, error) {
	return nil, a.Releases.Retry(ctx, who, in.target.Device)
}

func shownUpdate(u fleet.DeviceUpdate) api.Update {
	out := api.Update{
		ID: u.ID.String(), DeviceID: u.Device.String(), ProductID: uint32(u.Product),
		From: reported(u.From), To: version(u.To), State: u.State.String(),
		Reason: uint16(u.Reason), ReasonText: wire.ReasonText(u.Reason), Text: u.Text,
		Attempt: u.Attempt, Size: u.Size, Received: u.Next, SHA256: u.Digest.String(),
		Started: Moment(u.Started), Stored: Moment(u.Stored), Applied: Moment(u.Applied), Changed: Moment(u.Changed),
	}
	if !u.Goal.IsZero() {
		out.Goal = new(version(u.Goal))
	}
	return out
}
