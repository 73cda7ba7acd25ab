package ble

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// attempt is an attach that has no outcome yet.
type attempt struct {
	outcome chan fleet.ReasonCode
	id      uint16 // its packet id
	acked   bool
}

// attachTimeout is how long the gateway waits for what became of an attach.
const attachTimeout = 10 * time.Second

// attach reports that child is in reach and waits for the outcome.
func (t *trunk) attach(ctx context.Context, child fleet.DeviceID) error {
	a, err := t.try(child)
	if err != nil {
		return err
	}
	timer := time.NewTimer(attachTimeout)
	defer timer.Stop()
	select {
	case reason := <-a.outcome:
		if reason != wire.ReasonNone {
			return fmt.Errorf("not attached to %s: %s", t.gateway.id, wire.ReasonText(reason))
		}
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.acked { // docs/gateways.md#what-is-refused
		return fmt.Errorf("not attached to %s, which is not a gateway: its attach was acknowledged without effect", t.gateway.id)
	}
	return fmt.Errorf("gateway %s got no answer to its attach", t.gateway.id)
}

// try publishes an attach of child.
func (t *trunk) try(child fleet.DeviceID) (*attempt, error) {
	topic := wire.Topic{Speaker: t.gateway.id, Kind: wire.TopicAttach}.String()
	t.mu.Lock()
	defer t.mu.Unlock()
	id, err := t.publish(nil, topic, 1, wire.Attach{IDs: []fleet.DeviceID{child}}.Encode())
	if err != nil {
		return nil, err
	}
	a := &attempt{outcome: make(chan fleet.ReasonCode, 1), id: id}
	t.attaching[child] = a
	return a, nil
}

// attachAcked notes that the attach with packet id was taken. The caller holds mu.
func (t *trunk) attachAcked(id uint16) {
	for _, a := range t.attaching {
		a.acked = a.acked || a.id == id
	}
}

// outcomes hands what became of attaches to those who wait for it.
func (t *trunk) outcomes(payload []byte) {
	a, err := wire.DecodeAttached(payload)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range a.Outcomes {
		if waits := t.attaching[o.ID]; waits != nil {
			waits.outcome <- o.Reason
			delete(t.attaching, o.ID)
		}
	}
}
