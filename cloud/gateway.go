package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// attachment is a gateway's attach or detach. It is acknowledged when every change is
// durable; the outcome of each id goes to the gateway before that.
func (s *session) attachment(ctx context.Context, t wire.Topic, payload []byte) error {
	if s.children == nil {
		return s.ignore(t, ignoredTopic)
	}
	a, err := wire.DecodeAttach(payload)
	if err != nil {
		return s.malformed(t, err)
	}
	change := s.attach
	if t.Kind == wire.TopicDetach {
		change = s.detach
	}
	outcomes := make([]wire.AttachOutcome, len(a.IDs))
	errs := make([]error, len(a.IDs))
	var tasks sync.WaitGroup // at most wire.MaxAttach; the store makes few trips of them
	for i, id := range a.IDs {
		tasks.Go(func() {
			outcomes[i].ID = id
			outcomes[i].Reason, errs[i] = change(ctx, id)
		})
	}
	tasks.Wait()
	if err := errors.Join(errs...); err != nil {
		return fleet.Errorf(fleet.Unavailable, "attach: %w", err)
	}
	return s.link.Send(s.topic(wire.TopicAttached), wire.Attached{Outcomes: outcomes}.Encode())
}

// unchanged leaves a record as it is, and says why.
type unchanged fleet.ReasonCode

func (u unchanged) Error() string { return wire.ReasonText(fleet.ReasonCode(u)) }

// attach makes s the gateway of BLE device id. A device that is attached elsewhere moves
// if its product lets it roam. What is none of the gateway's business, another team's or
// an unknown device, is not attached alike. The error is the store's.
func (s *session) attach(ctx context.Context, id fleet.DeviceID) (fleet.ReasonCode, error) {
	c := s.conductor
	from := fleet.DeviceID("")
	counted := false
	after, err := c.devices.Edit(ctx, id, func(d *fleet.Device) error {
		from = d.Gateway
		switch {
		case d.Kind != fleet.BLE || d.Team != s.device.Team():
			return unchanged(wire.ReasonNotAttached)
		case d.Gateway == s.id():
			return unchanged(wire.ReasonNone)
		}
		if from != "" {
			if reason, err := c.mayMove(ctx, d, &counted); err != nil {
				return err
			} else if reason != wire.ReasonNone {
				return unchanged(reason)
			}
		}
		rehome(d, s.id())
		return nil
	})
	if errors.Is(err, fleet.NotFound) {
		return s.register(ctx, id)
	}
	if reason, done, err := outcome(err); done {
		return reason, err
	}
	c.part(id)
	if from != "" {
		c.record(ctx, after.Team, s.id(), "device.move", id, from, s.id())
	}
	c.Announce(fleet.Event{Payload: fleet.GatewayChanged{Attached: true}, Team: after.Team, Product: after.Product, Device: id, At: time.Now()})
	return wire.ReasonNone, nil
}

// rehome makes gateway the one d is attached to, and fences off what the session on the
// way it had may still write.
func rehome(d *fleet.Device, gateway fleet.DeviceID) {
	d.Gateway = gateway
	d.Session++
}

// outcome tells what came of an edit: done is false when the record was changed.
func outcome(err error) (reason fleet.ReasonCode, done bool, failed error) {
	var as unchanged
	switch {
	case err == nil:
		return wire.ReasonNone, false, nil
	case errors.Is(err, fleet.Unavailable):
		return 0, true, err
	case errors.As(err, &as):
		return fleet.ReasonCode(as), true, nil
	case errors.Is(err, fleet.NotFound):
		return wire.ReasonNotAttached, true, nil
	case errors.Is(err, fleet.Busy):
		return wire.ReasonBusy, true, nil
	}
	return 0, true, err
}

// mayMove reports why d may not be moved by a gateway. A move is counted once, however
// often its edit is made again.
func (c *conductor) mayMove(ctx context.Context, d *fleet.Device, counted *bool) (fleet.ReasonCode, error) {
	catalog, err := c.catalogs.Catalog(ctx, d.Product)
	if err != nil {
		return 0, err
	}
	if !catalog.Product.Roaming {
		return wire.ReasonNotAttached, nil
	}
	if *counted {
		return wire.ReasonNone, nil
	}
	*counted = true
	allowed, tell := c.moves.take(d.ID, time.Now())
	if tell {
		c.raise(ctx, d, "flapping", "it moves between gateways again and again, last from "+string(d.Gateway)+": two of them claim it")
	}
	if !allowed {
		return wire.ReasonOverLimit, nil
	}
	return wire.ReasonNone, nil
}

// detach ends the attachment of BLE device id to s.
func (s *session) detach(ctx context.Context, id fleet.DeviceID) (fleet.ReasonCode, error) {
	c := s.conductor
	after, err := c.devices.Edit(ctx, id, func(d *fleet.Device) error {
		if d.Kind != fleet.BLE || d.Gateway != s.id() || d.Team != s.device.Team() {
			return unchanged(wire.ReasonNotAttached)
		}
		rehome(d, "")
		return nil
	})
	if reason, done, err := outcome(err); done {
		return reason, err
	}
	c.part(id)
	c.Announce(fleet.Event{Payload: fleet.GatewayChanged{Attached: false}, Team: after.Team, Product: after.Product, Device: id, At: time.Now()})
	return wire.ReasonNone, nil
}

// register makes a record of a BLE device nobody has imported, where a product lets
// gateways add some.
func (s *session) register(ctx context.Context, id fleet.DeviceID) (fleet.ReasonCode, error) {
	c := s.conductor
	p, err := s.registers(ctx)
	if err != nil || p.ID == 0 {
		return wire.ReasonNotAttached, err
	}
	if ok, err := c.roomFor(s, p); err != nil || !ok {
		return wire.ReasonOverLimit, err
	}
	d := &fleet.Device{
		ID: id, Team: p.Team, Product: p.ID, Kind: fleet.BLE, Gateway: s.id(), UpdatesOn: true, Created: time.Now().UTC(),
	}
	switch err := c.devices.Create(ctx, d); {
	case errors.Is(err, fleet.Conflict):
		return s.attach(ctx, id) // another gateway was quicker
	case err != nil:
		return 0, err
	}
	c.record(ctx, p.Team, s.id(), "device.register", id, "", s.id())
	c.Announce(fleet.Event{Payload: fleet.GatewayChanged{Attached: true}, Team: p.Team, Product: p.ID, Device: id, At: time.Now()})
	return wire.ReasonNone, nil
}

// registers is the product that devices added by s belong to: its own, or else the only
// one of the team that lets gateways add any.
func (s *session) registers(ctx context.Context) (fleet.Product, error) {
	gateway, err := s.conductor.devices.Device(ctx, s.id())
	if err != nil {
		return fleet.Product{}, err
	}
	products, err := s.conductor.catalogs.Products(ctx, gateway.Team)
	if err != nil {
		return fleet.Product{}, err
	}
	var open []fleet.Product
	for _, p := range products {
		if p.AutoRegister > 0 && p.ID == gateway.Product {
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

// roomFor takes one of the devices that s may add to p: as many as p says, counting those
// attached to it and those it has added since the server started.
func (c *conductor) roomFor(s *session, p fleet.Product) (bool, error) {
	attached, err := c.index.IDs(fleet.DeviceQuery{Actor: fleet.Actor{Team: p.Team, Role: fleet.Owner}, Product: p.ID, Gateway: s.id()})
	if err != nil {
		return false, err
	}
	return c.moves.register(s.id(), len(attached), p.AutoRegister), nil
}

// record writes into the team's audit log what a gateway changed.
func (c *conductor) record(ctx context.Context, team fleet.TeamID, gateway fleet.DeviceID, action string, id, from, to fleet.DeviceID) {
	text := func(g fleet.DeviceID) string {
		if g == "" {
			return ""
		}
		b, _ := json.Marshal(map[string]fleet.DeviceID{"gatewayId": g}) // can't fail
		return string(b)
	}
	e := fleet.AuditEntry{
		Team: team, Email: "gateway " + string(gateway), Action: action, Object: string(id), Before: text(from), After: text(to), At: time.Now().UTC(),
	}
	if err := c.messages.Audit(ctx, e); err != nil {
		c.log.Error("audit entry lost", "device", id, "action", action, "err", err)
	}
}
