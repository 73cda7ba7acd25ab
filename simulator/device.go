package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/ble"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// client is one MQTT connection of one device: mqttlite.Conn, Paho behind the same methods,
// or one that a gateway carries.
type client = ble.Conn

// How a device comes back (docs/protocol.md#connection).
const (
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
	bootTime   = 2 * time.Second
)

// device drives one model over one connection after the other, on one goroutine.
type device struct {
	id        fleet.DeviceID
	dial      func(ctx context.Context) (client, error)
	haste     float64      // divides the waits between connections
	gateway   *ble.Gateway // nil unless the device is one
	publishes wire.Topic
	chunks    string // its chunk topic

	failures int       // connections in a row that got no Welcome
	kicked   int       // young sessions in a row that the other side closed
	since    time.Time // start of the present connection

	mu      sync.Mutex
	model   *model // guarded by mu
	client  client // nil while there is none; guarded by mu
	poked   poke   // what an operator of the simulation asked for; guarded by mu
	trouble string // why the last connection ended; guarded by mu
}

// poke is something done to a device from outside.
type poke uint8

const (
	pokeNothing poke = iota
	pokeHello        // send Hello again
	pokeDrop         // lose the connection
	pokePower        // lose the power
)

func newDevice(m *model, dial func(context.Context) (client, error), haste float64) *device {
	chunks := m.self
	chunks.Kind = wire.TopicChunk
	return &device{id: m.self.Device(), model: m, dial: dial, haste: haste, publishes: m.self, chunks: chunks.String()}
}

// run connects, and connects again, until ctx ends; then it disconnects. Thousands of
// goroutines wait in it, converse and Conn.Read: what these call is kept out of their frames.
func (d *device) run(ctx context.Context) {
	for ctx.Err() == nil {
		c, err := d.open(ctx)
		if err == nil {
			err = d.converse(ctx, c)
		}
		d.rest(ctx, d.closed(ctx, err))
	}
}

//go:noinline
func (d *device) rest(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

//go:noinline
func (d *device) open(ctx context.Context) (client, error) {
	c, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	d.since = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.client = c
	d.model.connected(d.since)
	return c, nil
}

// closed informs the model that the connection, or the attempt at one, has ended.
//
//go:noinline
func (d *device) closed(ctx context.Context, why error) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note(ctx, why)
	if d.client == nil {
		return d.backoff()
	}
	do, greeted := d.model.do, d.model.greeted
	d.client, d.poked = nil, pokeNothing
	d.model.disconnected()
	return d.pause(do, greeted, why)
}

// converse serves a connection until it ends.
func (d *device) converse(ctx context.Context, c client) error {
	for {
		deadline, err := d.speak(ctx, c)
		if err != nil {
			return err
		}
		p, err := c.Read(deadline)
		if err := d.happened(c, p, err); err != nil {
			return err
		}
	}
}

// speak publishes what the model has to send, then ends the connection if the model or ctx
// asks for it. It returns when the model has to act next.
//
//go:noinline
func (d *device) speak(ctx context.Context, c client) (time.Time, error) {
	do, deadline, err := d.flush(c)
	switch {
	case err != nil:
		return deadline, errors.Join(err, c.Close())
	case do == restart:
		return deadline, describe(restarting, c.Disconnect())
	case do != stay:
		return deadline, describe(faked, c.Close())
	case ctx.Err() != nil:
		return deadline, describe(stoppedByUs, c.Disconnect())
	}
	return deadline, nil
}

func describe(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return errors.New(what)
}

// flush publishes what the model has to send. No lock is held meanwhile.
func (d *device) flush(c client) (action, time.Time, error) {
	for {
		d.mu.Lock()
		out, do, deadline, image := d.model.out, d.model.do, d.model.deadline(), d.model.downloads()
		d.model.out = nil
		d.mu.Unlock()
		if d.gateway != nil {
			d.gateway.Downloads(image)
		}
		if len(out) == 0 {
			return do, deadline, nil
		}
		for _, s := range out {
			topic := d.publishes
			topic.Kind, topic.Number, topic.Name = s.kind, s.number, s.name
			id, err := c.Publish(topic.String(), s.qos, s.payload)
			if err != nil {
				return do, deadline, err
			}
			if s.answer != toNothing {
				d.mu.Lock()
				d.model.published(s, id)
				d.mu.Unlock()
			}
		}
	}
}

// happened passes the result of a Read to the model: a packet, or that time has passed. An
// error of the connection ends it.
//
//go:noinline
func (d *device) happened(c client, p mqtt.Packet, err error) error {
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.Close()
		return err
	}
	kind, number := wire.TopicChunk, uint32(0)
	if p.Kind == mqtt.Publish && string(p.Topic) != d.chunks {
		t, err := wire.ParseTopic(string(p.Topic))
		if err != nil || t.Device() != d.id || t.Kind.Up() {
			_ = c.Close()
			return fmt.Errorf("the broker delivered %.100q, which is not this device's", p.Topic)
		}
		kind, number = t.Kind, t.Number
	}
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch p.Kind {
	case mqtt.Publish:
		d.model.receive(now, kind, number, p.Payload)
	case mqtt.PubAck:
		d.model.acked(now, p.ID)
	}
	d.obey(now)
	d.model.tick(now)
	return nil
}

// obey does what was requested from outside. The caller holds mu.
func (d *device) obey(now time.Time) {
	switch d.poked {
	case pokeHello:
		d.model.askedForHello(now)
	case pokeDrop:
		d.model.do = drop
	case pokePower:
		d.model.do = cut
	}
	d.poked = pokeNothing
}

// poke requests something of the device; a device that is not connected ignores it.
func (d *device) poke(p poke) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		d.poked = p
		d.client.Wake()
	}
}

// pause is the wait before the next connection. The caller holds mu.
func (d *device) pause(do action, greeted bool, why error) time.Duration {
	if greeted {
		d.failures = 0
	}
	if do == restart || do == cut {
		d.kicked = 0
		return d.scaled(bootTime)
	}
	closed := errors.Is(why, io.EOF) || errors.Is(why, io.ErrUnexpectedEOF) || errors.Is(why, syscall.ECONNRESET)
	if greeted && closed && time.Since(d.since) < d.scaled(wire.TakeoverPause) {
		d.kicked++
	} else {
		d.kicked = 0
	}
	// MQTT 3.1.1 gives no reason when a server closes. Twice in a row soon after a
	// Welcome is taken for another connection with the same id.
	if d.kicked >= 2 {
		return d.scaled(wire.TakeoverPause) + d.backoff()
	}
	return d.backoff()
}

// backoff is full jitter, from 1 s growing to 5 min. The caller holds mu.
func (d *device) backoff() time.Duration {
	limit := maxBackoff
	if d.failures < 16 {
		limit = min(minBackoff<<d.failures, maxBackoff)
	}
	d.failures++
	return d.scaled(time.Duration(rand.Int64N(int64(limit)))) //nolint:gosec // no secret
}

func (d *device) scaled(t time.Duration) time.Duration {
	if d.haste <= 0 {
		return t
	}
	return time.Duration(float64(t) / d.haste)
}
