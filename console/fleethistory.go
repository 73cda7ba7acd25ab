package console

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/muster-iot/muster/console/history"
	"github.com/muster-iot/muster/fleet"
)

// Watch samples the fleets whose pages were opened until ctx is done, so that their charts have
// no gap while nobody looks.
func (c *Console) Watch(ctx context.Context) { c.history.Watch(ctx) }

// sampleFleet implements history.Source. It sees what an owner of the product's team sees, which
// is what charts show; rights are checked where charts are shown.
func (c *Console) sampleFleet(ctx context.Context, p fleet.Product) (history.Sample, error) {
	owner := fleet.Actor{Team: p.Team, Role: fleet.Owner}
	released, err := c.releases.Firmware(ctx, owner, p.ID)
	if err != nil {
		return history.Sample{}, err
	}
	all, err := c.registry.Devices(ctx, owner, fleet.DeviceQuery{Actor: owner, Product: p.ID, Limit: 1})
	if err != nil {
		return history.Sample{}, err
	}
	yes := true
	online, err := c.registry.Devices(ctx, owner, fleet.DeviceQuery{Actor: owner, Product: p.ID, Online: &yes, Limit: 1})
	if err != nil {
		return history.Sample{}, err
	}
	unknown, err := c.registry.Devices(ctx, owner, fleet.DeviceQuery{Actor: owner, Product: p.ID, NoVersion: true, Limit: 1})
	if err != nil {
		return history.Sample{}, err
	}
	devices := map[string]int{history.Unknown: unknown.Total}
	foreign := all.Total - unknown.Total
	for _, f := range released {
		if f.Devices > 0 {
			devices[f.Version.String()] = f.Devices
			foreign -= f.Devices
		}
	}
	devices[history.Foreign] = max(0, foreign) // a device may have reported its version in between
	return history.Sample{At: time.Now(), Online: online.Total, Devices: devices, Handshakes: c.live.Tally(p.ID).Handshakes}, nil
}

// fleetHistory answers with what the charts draw, for owners and admins.
func (v fleetPages) fleetHistory() error {
	if err := v.may(fleet.SeeAudit); err != nil {
		return err
	}
	if err := v.history.Sample(v.ctx(), v.product); err != nil {
		return err
	}
	data, err := json.Marshal(v.history.Series(v.product.ID))
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(http.StatusOK)
	if _, err = v.w.Write(data); err != nil {
		v.log.Debug("console: the browser disconnected", "err", err)
	}
	return nil
}
