package api

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/fleet"
)

func (s *server) updates() {
	const tag = "updates"
	add(s, route{id: "ListProductUpdates", method: http.MethodGet, path: "/v1/products/{product}/updates", summary: "Each device's newest update, by state and version", tag: tag, access: needs(fleet.SeeDevice)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			Cursors
			State   string `query:"state" doc:"States between commas" example:"failed,rolled_back"`
			Version string `query:"version" doc:"Moves to this version"`
		}) (*reply[Page[Update]], error) {
			product, err := s.Product(ctx, who, in.Product)
			if err != nil {
				return nil, err
			}
			q := fleet.UpdateQuery{Actor: who, Product: product.ID, After: in.PageNextToken, Limit: in.PageLimit}
			if q.Version, err = versionParam("version", in.Version); err != nil {
				return nil, err
			}
			for _, text := range splitNames(in.State) {
				state, err := fleet.ParseUpdateState(text)
				if err != nil {
					return nil, err
				}
				q.States = append(q.States, state)
			}
			updates, next, err := s.ota.Updates(ctx, who, q)
			return answer(page(shownUpdates(updates), next), err)
		})
	add(s, route{id: "ListDeviceUpdates", method: http.MethodGet, path: "/v1/devices/{device}/updates", summary: "Updates of one device, newest first", tag: tag, access: needs(fleet.SeeDevice)},
		onDevice(func(ctx context.Context, who fleet.Actor, id fleet.DeviceID) (*reply[Page[Update]], error) {
			updates, next, err := s.ota.Updates(ctx, who, fleet.UpdateQuery{Actor: who, Device: id, Limit: maxRows})
			return answer(page(shownUpdates(updates), next), err)
		}))
	add(s, route{id: "StopUpdate", method: http.MethodPost, path: "/v1/devices/{device}/updates/stop", summary: "Stop its running update, until the target changes or a retry", tag: tag, access: needs(fleet.OperateDevice), errors: []int{http.StatusConflict}},
		onDevice(func(ctx context.Context, who fleet.Actor, id fleet.DeviceID) (*none, error) {
			return nil, s.ota.Stop(ctx, who, id)
		}))
	add(s, route{id: "RetryUpdate", method: http.MethodPost, path: "/v1/devices/{device}/updates/retry", summary: "Count its attempts anew", tag: tag, access: needs(fleet.OperateDevice), errors: []int{http.StatusConflict}},
		onDevice(func(ctx context.Context, who fleet.Actor, id fleet.DeviceID) (*none, error) {
			return nil, s.ota.Retry(ctx, who, id)
		}))
}

func shownUpdates(updates []fleet.DeviceUpdate) []Update {
	out := make([]Update, 0, len(updates))
	for _, u := range updates {
		out = append(out, shownUpdate(u))
	}
	return out
}
