// Package roaming decides which BLE devices a gateway may attach, move and register
// (docs/gateways.md).
package roaming

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/quota"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/wire"
)

// Config is what a Roaming works with.
type Config struct {
	Devices  *store.Devices
	Index    *index.Index
	Catalogs *store.Catalogs
	Messages *store.Messages
	Audit    *audit.Log
	Quota    *quota.Stock // of devices; nil: none
	Live     Live
	Log      *slog.Logger
}

// Live is the part of the server that holds connections. Its methods return at once.
type Live interface {
	// Kick ends the session of a device.
	Kick(id fleet.DeviceID)
	// Announce publishes an event.
	Announce(e event.Event)
}

// Roaming is safe for concurrent use and keeps no goroutine.
type Roaming struct {
	Config

	limits *limits
}

// New returns a Roaming whose limits begin now.
func New(config Config) *Roaming { return &Roaming{Config: config, limits: newLimits()} }

// Attach attaches BLE device id to a gateway of team (docs/gateways.md). A device that is
// attached to another gateway moves if its product allows roaming, at a limited rate; one with
// groups needs one of the gateway's, unless its product roams in the whole team; one without a
// record is created if a product lets gateways register devices. The reason is
// wire.ReasonNone if the device is attached; wire.ReasonNotAttached if it may not be, with
// no difference between a device of another team and one that does not exist;
// wire.ReasonOverLimit and wire.ReasonBusy. An error means that the store did not answer.
func (r *Roaming) Attach(ctx context.Context, team fleet.TeamID, gateway, id fleet.DeviceID) (fleet.ReasonCode, error) {
	var from fleet.DeviceID
	counted := false // a move, which counts once however often the edit is repeated
	after, err := r.Devices.Edit(ctx, id, func(d *fleet.Device) error {
		from = d.Gateway
		switch {
		case d.Kind != fleet.BLE || d.Team != team:
			return unchanged(wire.ReasonNotAttached)
		case d.Gateway == gateway:
			return unchanged(wire.ReasonNone)
		}
		if err := r.mayAttach(ctx, gateway, d, &counted); err != nil {
			return err
		}
		d.Reattach(gateway)
		return nil
	})
	if errors.Is(err, fleet.NotFound) {
		return r.register(ctx, gateway, id)
	}
	if err != nil {
		return reasonOf(err)
	}
	r.Live.Kick(id) // ends its session through the other gateway
	action := "device.move"
	if from == "" {
		action = "device.attach"
	}
	r.recordRoaming(ctx, gateway, action, &after, from, gateway)
	r.announceAttached(after, true)
	return wire.ReasonNone, nil
}

// Detach ends the attachment of BLE device id to gateway. The reason is wire.ReasonNone if
// it was attached there, and wire.ReasonNotAttached if not; wire.ReasonBusy. An error means
// that the store did not answer.
func (r *Roaming) Detach(ctx context.Context, team fleet.TeamID, gateway, id fleet.DeviceID) (fleet.ReasonCode, error) {
	after, err := r.Devices.Edit(ctx, id, func(d *fleet.Device) error {
		if d.Kind != fleet.BLE || d.Gateway != gateway || d.Team != team {
			return unchanged(wire.ReasonNotAttached)
		}
		d.Reattach("")
		return nil
	})
	if err != nil {
		return reasonOf(err)
	}
	r.Live.Kick(id)
	r.recordRoaming(ctx, gateway, "device.detach", &after, gateway, "")
	r.announceAttached(after, false)
	return wire.ReasonNone, nil
}

// unchanged is the error of an edit that leaves a record as it is, for this reason.
type unchanged fleet.ReasonCode

func (u unchanged) Error() string { return wire.ReasonText(fleet.ReasonCode(u)) }

// reasonOf returns the answer to the gateway for an edit that failed with err.
func reasonOf(err error) (fleet.ReasonCode, error) {
	var u unchanged
	switch {
	case errors.Is(err, fleet.Unavailable):
		return 0, err
	case errors.As(err, &u):
		return fleet.ReasonCode(u), nil
	case errors.Is(err, fleet.NotFound):
		return wire.ReasonNotAttached, nil
	case errors.Is(err, fleet.Busy):
		return wire.ReasonBusy, nil
	}
	return 0, err
}

// mayAttach returns an unchanged if gateway may not attach d, which it does not have. It counts
// a move unless counted reports that it was counted before.
func (r *Roaming) mayAttach(ctx context.Context, gateway fleet.DeviceID, d *fleet.Device, counted *bool) error {
	if d.Gateway == "" && len(d.Groups) == 0 {
		return nil
	}
	c, err := r.Catalogs.Catalog(ctx, d.Product)
	if err != nil {
		return err
	}
	if d.Gateway != "" && c.Product.Roaming == fleet.RoamingNone {
		return unchanged(wire.ReasonNotAttached)
	}
	if len(d.Groups) > 0 && c.Product.Roaming != fleet.RoamingTeam {
		g, err := r.Devices.Device(ctx, gateway)
		if err != nil {
			return err
		}
		if !fleet.MayAttach(&g, d, c.Product.Roaming) {
			return unchanged(wire.ReasonNotAttached)
		}
	}
	if d.Gateway == "" || *counted {
		return nil
	}
	*counted = true
	if r.limits.moves.Take(d.ID) {
		return nil
	}
	if r.limits.alerts.Take(d.ID) {
		r.raiseFlapping(ctx, d)
	}
	return unchanged(wire.ReasonOverLimit)
}

// raiseFlapping alerts operators that d moves too often, which happens when two gateways
// claim it.
func (r *Roaming) raiseFlapping(ctx context.Context, d *fleet.Device) {
	a := fleet.Alert{
		Team: d.Team, Device: d.ID, Name: "flapping", Raised: time.Now(),
		Text: "the device keeps moving between gateways, last from " + d.Gateway.String() + ": two gateways claim it",
	}
	if _, err := r.Messages.Raise(ctx, a); err != nil {
		r.Log.Warn("alert not raised", "device", d.ID, "alert", a.Name, "err", err)
		return
	}
	r.Live.Announce(event.Event{Payload: event.AlertRaised{Alert: a.Name, Text: a.Text}, Team: a.Team, Device: a.Device, At: a.Raised})
}

// register creates a record of a BLE device that was not imported, attached to gateway, if
// a product lets it.
func (r *Roaming) register(ctx context.Context, gateway, id fleet.DeviceID) (fleet.ReasonCode, error) {
	p, err := r.productFor(ctx, gateway)
	if err != nil || p.ID == 0 {
		return wire.ReasonNotAttached, err
	}
	attached, err := r.Index.IDs(fleet.DeviceQuery{Actor: fleet.Actor{Team: p.Team, Role: fleet.Owner}, Product: p.ID, Gateway: gateway})
	if err != nil || !r.limits.register(gateway, len(attached), p.AutoRegister) {
		return wire.ReasonOverLimit, err
	}
	release, err := r.Quota.Reserve(ctx, p.Team, 1)
	if errors.Is(err, fleet.Conflict) {
		return wire.ReasonOverLimit, nil
	}
	if err != nil {
		return 0, err
	}
	defer release()
	end, err := r.Audit.Begin(gatewayActor(p.Team, gateway), "device.register "+id.String())
	if err != nil {
		return 0, err
	}
	defer end()
	d := &fleet.Device{
		ID: id, Team: p.Team, Product: p.ID, Kind: fleet.BLE, Gateway: gateway, UpdatesOn: true, Created: time.Now().UTC(),
	}
	switch err := r.Devices.CreateMany(ctx, []*fleet.Device{d})[0]; {
	case errors.Is(err, fleet.Conflict):
		return r.Attach(ctx, p.Team, gateway, id) // another gateway was quicker
	case err != nil:
		return 0, err
	}
	r.Audit.RecordIn(ctx, p.ID, gatewayActor(p.Team, gateway), "device.register", id.String(), nil, audit.Fields{"gatewayId": gateway})
	r.announceAttached(*d, true)
	return wire.ReasonNone, nil
}

// productFor returns the product that devices registered by gateway belong to: its own, or
// else the only one of the team that lets gateways register devices. If there is none, the
// zero Product.
func (r *Roaming) productFor(ctx context.Context, gateway fleet.DeviceID) (fleet.Product, error) {
	g, err := r.Devices.Device(ctx, gateway)
	if err != nil {
		return fleet.Product{}, err
	}
	products, err := r.Catalogs.Products(ctx, g.Team)
	if err != nil {
		return fleet.Product{}, err
	}
	var open []fleet.Product
	for _, p := range products {
		if p.AutoRegister > 0 && p.ID == g.Product {
			return p, nil
		}
		if p.AutoRegister > 0 {
			open = append(open, p)
		}
	}
	if len(open) != 1 {
		return fleet.Product{}, nil
	}
	return open[0], nil
}

// recordRoaming records what a gateway changed about d, unless it changes very much: the log
// has room for others. What was left out is counted in its next entry.
func (r *Roaming) recordRoaming(ctx context.Context, gateway fleet.DeviceID, action string, d *fleet.Device, from, to fleet.DeviceID) {
	left, ok := r.limits.record(gateway)
	if !ok {
		return
	}
	before, after := audit.Fields{}, audit.Fields{}
	if from != "" {
		before["gatewayId"] = from
	}
	if to != "" {
		after["gatewayId"] = to
	}
	if left > 0 {
		after["changes_not_listed"] = left
	}
	r.Audit.RecordIn(ctx, d.Product, gatewayActor(d.Team, gateway), action, d.ID.String(), before, after)
}

// gatewayActor is whom the audit log names for what a gateway changed.
func gatewayActor(team fleet.TeamID, gateway fleet.DeviceID) fleet.Actor {
	return fleet.Actor{Team: team, Email: "gateway " + gateway.String()}
}

func (r *Roaming) announceAttached(d fleet.Device, attached bool) {
	r.Live.Announce(event.Event{Payload: event.GatewayChanged{Attached: attached}, Team: d.Team, Product: d.Product, Device: d.ID, At: time.Now()})
}
