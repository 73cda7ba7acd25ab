package mqttlite

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/wire/mqtt"
)

// How long a client waits.
const (
	ConnectTimeout = 30 * time.Second // from the first byte to CONNACK
	WriteTimeout   = 30 * time.Second // for one packet
	PingTimeout    = 20 * time.Second // from PINGREQ to any packet
)

const (
	smallBuffer = 512       // bytes; enough for all but chunks
	maxIncoming = 128 << 10 // bytes of a packet
)

// Conn is one MQTT 3.1.1 connection without a goroutine of its own. One goroutine calls
// Read, steadily, since Read acknowledges what it returns (QoS 1) and sends the pings.
// Publish, Subscribe, Wake, Disconnect and Close may be called from others at the same
// time.
type Conn struct {
	nc        net.Conn
	keepAlive time.Duration
	woken     atomic.Bool
	sent      atomic.Int64 // Unix ns of the last write
	lastID    atomic.Uint32

	// Of the reading goroutine.
	pinged time.Time // of the PINGREQ nothing came after; zero when none
	armed  time.Time // the read deadline set on nc; zero when it has to be set
	buf    []byte    // small, or pooled while packets that don't fit arrive
	pooled *[]byte
	r, w   int // buf[r:w] is unread
	small  [smallBuffer]byte

	writing sync.Mutex // one packet at a time
}

// Dial connects to broker (see ParseBroker) and waits for CONNACK, at most 30 s. A
// refusal is a *Refused.
func Dial(ctx context.Context, broker Broker, o mqtt.Client) (*Conn, error) {
	nc, err := broker.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return Open(ctx, nc, o)
}

// Open connects over nc, which it closes when it fails, and waits for CONNACK as Dial does.
func Open(ctx context.Context, nc net.Conn, o mqtt.Client) (*Conn, error) {
	c := &Conn{nc: nc, keepAlive: o.KeepAlive}
	c.buf = c.small[:]
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	err := c.connect(o)
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) connect(o mqtt.Client) error {
	deadline := time.Now().Add(ConnectTimeout)
	if err := c.write(func(b []byte) []byte {
		return mqtt.AppendConnect(b, mqtt.V311, o)
	}); err != nil {
		return err
	}
	if err := c.await(deadline); err != nil {
		return fmt.Errorf("waiting for CONNACK: %w", err)
	}
	p, err := c.take()
	switch {
	case err != nil:
		return err
	case p.Kind != mqtt.ConnAck:
		return fmt.Errorf("packet type %d instead of CONNACK", p.Kind)
	case p.ID&0xff != 0:
		return &Refused{Code: byte(p.ID)}
	}
	return nil
}

// Publish sends payload; id is what its PubAck will carry, 0 at QoS 0.
func (c *Conn) Publish(topic string, qos byte, payload []byte) (id uint16, err error) {
	if qos > 0 {
		id = c.nextID()
	}
	return id, c.write(func(b []byte) []byte { return mqtt.AppendPublish(b, mqtt.V311, topic, qos, id, payload) })
}

// Subscribe asks for filter; a SubAck with id answers. Devices need no subscription.
func (c *Conn) Subscribe(filter string, qos byte) (id uint16, err error) {
	id = c.nextID()
	return id, c.write(func(b []byte) []byte { return mqtt.AppendSubscribe(b, mqtt.V311, id, qos, filter) })
}

// nextID counts 1 to 65535 and around. Far fewer than that are ever in flight.
func (c *Conn) nextID() uint16 { return uint16((c.lastID.Add(1)-1)%65535 + 1) }

// Read returns the next Publish, PubAck or SubAck; its Topic and Payload are valid until
// the next Read. It waits until deadline, without limit when that is zero, and returns os.ErrDeadlineExceeded then or when woken; the connection
// stays good. Any other error ends it.
//
// Thousands of goroutines wait in here: Read, await and fill keep their frames small, so
// that the runtime gives each no more than 4 KiB of stack.
func (c *Conn) Read(deadline time.Time) (mqtt.Packet, error) {
	for {
		if err := c.await(deadline); err != nil {
			return mqtt.Packet{}, err
		}
		if p, ok, err := c.received(); ok || err != nil {
			return p, err
		}
	}
}

// received takes the buffered packet; ok is false for one that Read does not return.
//
//go:noinline
func (c *Conn) received() (p mqtt.Packet, ok bool, err error) {
	p, err = c.take()
	switch {
	case err != nil:
		return mqtt.Packet{}, false, err
	case p.Kind == mqtt.Publish && p.QoS > 0:
		return p, true, c.write(func(b []byte) []byte { return mqtt.AppendPubAck(b, p.ID) })
	case p.Kind == mqtt.Publish || p.Kind == mqtt.PubAck || p.Kind == mqtt.SubAck:
		return p, true, nil
	case p.Kind == mqtt.PingResp:
		return mqtt.Packet{}, false, nil
	}
	return mqtt.Packet{}, false, fmt.Errorf("unexpected packet type %d", p.Kind)
}

// Wake makes the Read that runs, or the next one, return os.ErrDeadlineExceeded.
func (c *Conn) Wake() {
	c.woken.Store(true)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// Disconnect sends DISCONNECT and closes.
func (c *Conn) Disconnect() error {
	err := c.write(func(b []byte) []byte { return append(b, mqtt.Disconnect.Head(0), 0) })
	return errors.Join(err, c.nc.Close())
}

// Close closes without DISCONNECT, like a device that lost its power.
func (c *Conn) Close() error { return Abort(c.nc) }

// Abort closes a connection, a TCP connection with a reset: no TIME_WAIT then keeps its port.
func Abort(nc net.Conn) error {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return nc.Close()
}

// await waits until a whole packet is buffered.
func (c *Conn) await(deadline time.Time) error {
	for {
		size, err := c.nextSize()
		if err != nil {
			return err
		}
		if size > 0 && c.w-c.r >= size {
			return nil
		}
		c.fit(size)
		if err := c.fill(deadline); err != nil {
			return err
		}
	}
}

// nextSize is the size of the packet at the buffer's start, 0 while it is not known.
//
//go:noinline
func (c *Conn) nextSize() (int, error) {
	_, remaining, taken, ok, err := mqtt.Header(c.buf[c.r:c.w])
	switch {
	case err != nil || !ok:
		return 0, err
	case taken+remaining > maxIncoming:
		return 0, fmt.Errorf("packet of %d bytes, %d are taken", remaining, maxIncoming)
	}
	return taken + remaining, nil
}

// take removes the buffered packet, which is whole.
func (c *Conn) take() (mqtt.Packet, error) {
	first, remaining, taken, _, _ := mqtt.Header(c.buf[c.r:c.w])
	body := c.buf[c.r+taken : c.r+taken+remaining]
	c.r += taken + remaining
	return mqtt.Parse(first, body)
}

// fill reads what there is, at least one byte, and keeps the connection alive meanwhile.
func (c *Conn) fill(deadline time.Time) error {
	for {
		if err := c.prepare(deadline); err != nil {
			return err
		}
		n, err := c.nc.Read(c.buf[c.w:])
		if n > 0 {
			c.w, c.pinged = c.w+n, time.Time{}
			return nil
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		c.armed = time.Time{}
		c.release()
	}
}

// prepare sends the ping that is due and sets the read deadline; its error ends Read.
//
//go:noinline
func (c *Conn) prepare(deadline time.Time) error {
	now := time.Now()
	beat, err := c.beat(now)
	if err != nil {
		return err
	}
	if !deadline.IsZero() && !now.Before(deadline) {
		return os.ErrDeadlineExceeded
	}
	until := deadline
	if until.IsZero() || !beat.IsZero() && beat.Before(until) {
		until = beat
	}
	c.arm(now, until)
	if c.woken.Swap(false) {
		c.armed = time.Time{}
		return os.ErrDeadlineExceeded
	}
	return nil
}

// beat sends the PINGREQ that is due and returns when to look again, zero for never.
func (c *Conn) beat(now time.Time) (time.Time, error) {
	if c.keepAlive <= 0 {
		return time.Time{}, nil
	}
	if !c.pinged.IsZero() {
		end := c.pinged.Add(PingTimeout)
		if !now.Before(end) {
			return end, fmt.Errorf("no answer to a ping in %v", PingTimeout)
		}
		return end, nil
	}
	due := time.Unix(0, c.sent.Load()).Add(c.keepAlive * 3 / 4)
	if now.Before(due) {
		return due, nil
	}
	c.pinged = now
	return now.Add(PingTimeout), c.write(func(b []byte) []byte { return append(b, mqtt.PingReq.Head(0), 0) })
}

// arm sets the read deadline. An earlier one is left: that it fires once in vain costs less
// than setting it for each packet.
func (c *Conn) arm(now, until time.Time) {
	if !c.armed.IsZero() && c.armed.After(now) && (until.IsZero() || !c.armed.After(until)) {
		return
	}
	_ = c.nc.SetReadDeadline(until)
	c.armed = until
}
