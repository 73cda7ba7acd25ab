package ble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// Conn is an MQTT connection of a device: mqttlite.Conn, or another with its methods.
// Disconnect sends DISCONNECT first, Close does not.
type Conn interface {
	Publish(topic string, qos byte, payload []byte) (id uint16, err error)
	Read(deadline time.Time) (mqtt.Packet, error)
	Wake()
	Disconnect() error
	Close() error
}

// Gateway is the part of a simulated gateway that relays. The gateway's own device runs over
// the same connection.
type Gateway struct {
	id    fleet.DeviceID
	radio *Radio
	cache cache

	mu    sync.Mutex
	trunk *trunk        // its connection, nil while there is none; guarded by mu
	ready chan struct{} // closed when there is one; guarded by mu
}

// NewGateway returns a gateway that is not connected yet.
func NewGateway(id fleet.DeviceID, radio *Radio) *Gateway {
	return &Gateway{id: id, radio: radio, ready: make(chan struct{})}
}

// Carry wraps dial: its connections carry BLE devices too.
func (g *Gateway) Carry(dial func(context.Context) (Conn, error)) func(context.Context) (Conn, error) {
	return func(ctx context.Context) (Conn, error) {
		c, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		t := &trunk{Conn: c, gateway: g, airs: make(map[fleet.DeviceID]*air), acks: make(map[uint16]*air), attaching: make(map[fleet.DeviceID]*attempt)}
		g.mu.Lock()
		g.trunk = t
		close(g.ready)
		g.mu.Unlock()
		g.cache.connected(t)
		return t, nil
	}
}

// Downloads sets which image the gateway's own device downloads, zero: none. That goes before
// what the cache fetches.
func (g *Gateway) Downloads(image fleet.Image) { g.cache.owns(image) }

// lost notes that t has ended.
func (g *Gateway) lost(t *trunk) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trunk == t {
		g.trunk, g.ready = nil, make(chan struct{})
	}
}

// connection waits for the gateway's connection. The error means that there was none.
func (g *Gateway) connection(ctx context.Context) (*trunk, error) {
	for {
		g.mu.Lock()
		t, ready := g.trunk, g.ready
		g.mu.Unlock()
		if t != nil {
			return t, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("its gateway %s is not connected", g.id)
		}
	}
}

// trunk is a gateway's connection. Read takes out what is for the BLE devices.
type trunk struct {
	Conn
	gateway *Gateway

	mu        sync.Mutex // held while publishing for others, so that no answer comes before it is known whose
	airs      map[fleet.DeviceID]*air
	acks      map[uint16]*air // packet ids of what was published for BLE devices
	attaching map[fleet.DeviceID]*attempt
	ended     bool
}

func (t *trunk) open(child fleet.DeviceID) *air {
	a := newAir(t, child)
	t.mu.Lock()
	t.airs[child] = a
	ended := t.ended
	t.mu.Unlock()
	if ended {
		a.end(errOutOfReach)
	}
	return a
}

func (t *trunk) forget(a *air) {
	t.mu.Lock()
	if t.airs[a.child] == a {
		delete(t.airs, a.child)
	}
	t.mu.Unlock()
	t.gateway.cache.leave(a)
}

// publishFor publishes for a BLE device, nil for the gateway's own relaying.
func (t *trunk) publishFor(a *air, topic string, qos byte, payload []byte) (uint16, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.publish(a, topic, qos, payload)
}

// publish publishes as publishFor does; the caller holds mu.
func (t *trunk) publish(a *air, topic string, qos byte, payload []byte) (uint16, error) {
	if t.ended {
		return 0, errOutOfReach
	}
	id, err := t.Conn.Publish(topic, qos, payload)
	if err == nil && qos > 0 {
		t.acks[id] = a
	}
	return id, err
}

// Read returns what is for the gateway itself.
func (t *trunk) Read(deadline time.Time) (mqtt.Packet, error) {
	for {
		p, err := t.Conn.Read(deadline)
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.end()
			}
			return p, err
		}
		if !t.relays(p) {
			return p, nil
		}
	}
}

// relays passes on what is not for the gateway itself. Chunks of an image that it downloads
// itself go to both, it and its cache.
func (t *trunk) relays(p mqtt.Packet) bool {
	if p.Kind == mqtt.PubAck {
		t.mu.Lock()
		a, others := t.acks[p.ID]
		delete(t.acks, p.ID)
		if others && a == nil {
			t.attachAcked(p.ID)
		}
		t.mu.Unlock()
		if a != nil {
			a.deliver(p, false)
		}
		return others
	}
	topic, err := wire.ParseTopic(string(p.Topic))
	switch {
	case p.Kind != mqtt.Publish || err != nil:
		return false
	case topic.Child != "":
		t.down(topic, p)
	case topic.Kind == wire.TopicAttached:
		t.outcomes(p.Payload)
	case topic.Kind == wire.TopicChunk:
		return t.gateway.cache.take(p.Payload)
	default:
		return false
	}
	return true
}

// down passes a message on to the BLE device it is for.
func (t *trunk) down(topic wire.Topic, p mqtt.Packet) {
	t.mu.Lock()
	a := t.airs[topic.Child]
	t.mu.Unlock()
	if a == nil {
		return // it is out of reach
	}
	switch topic.Kind {
	case wire.TopicStop:
		if s, err := wire.DecodeStop(p.Payload); err == nil && s.Reason == wire.ReasonNotAttached {
			a.end(errDetached)
			return
		}
	case wire.TopicOffer:
		if o, err := wire.DecodeOffer(p.Payload); err == nil && o.Cached {
			t.gateway.cache.fetch(o)
		}
	}
	a.deliver(p, topic.Kind == wire.TopicChunk)
}

// serves answers a device's Want from the cache; false when the image is not in it.
func (t *trunk) serves(a *air, payload []byte) bool {
	w, err := wire.DecodeWant(payload)
	return err == nil && t.gateway.cache.want(a, w)
}

// Disconnect disconnects the gateway; its devices are then out of reach.
func (t *trunk) Disconnect() error {
	t.end()
	return t.Conn.Disconnect()
}

// Close cuts the gateway off, as a power loss does.
func (t *trunk) Close() error {
	t.end()
	return t.Conn.Close()
}

func (t *trunk) end() {
	t.gateway.lost(t)
	t.mu.Lock()
	t.ended = true
	airs := make([]*air, 0, len(t.airs))
	for _, a := range t.airs {
		airs = append(airs, a)
	}
	t.mu.Unlock()
	for _, a := range airs {
		a.end(errOutOfReach)
	}
}
