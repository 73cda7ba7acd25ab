package simulator

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// cloud is the other side of the tests: a few packets of MQTT and what a script says.
type cloud struct {
	t     testing.TB
	links chan *link
}

func newCloud(t testing.TB) *cloud { return &cloud{t: t, links: make(chan *link, 64)} }

// dial is a Broker.Dialer that connects to c.
func (c *cloud) dial(context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	c.take(far)
	return near, nil
}

// take makes a link of conn.
func (c *cloud) take(conn net.Conn) {
	l := &link{t: c.t, conn: conn, in: make(chan message, 1024), out: make(chan []byte, 4096), done: make(chan struct{})}
	l.working.Go(l.read)
	l.working.Go(l.write)
	c.links <- l
}

// link is one connection a device made.
type link struct {
	t       testing.TB
	conn    net.Conn
	in      chan message // closed when the connection ends
	out     chan []byte
	done    chan struct{} // closed by close
	once    sync.Once
	working sync.WaitGroup
	device  fleet.DeviceID
	secret  string
	version fleet.Version // of the last Hello
}

// message is a packet of a device.
type message struct {
	kind    mqtt.Kind
	topic   wire.Topic
	qos     byte
	id      uint16
	payload []byte
}

const patience = 20 * time.Minute // of fake time

func (l *link) read() {
	defer close(l.in)
	var buf []byte
	chunk := make([]byte, 4096)
	for {
		n, err := l.conn.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			first, remaining, taken, ok, _ := mqtt.Header(buf)
			if !ok || len(buf) < taken+remaining {
				break
			}
			l.packet(first, bytes.Clone(buf[taken:taken+remaining]))
			buf = buf[taken+remaining:]
		}
		if err != nil {
			return
		}
	}
}

func (l *link) packet(first byte, body []byte) {
	m := message{kind: mqtt.Kind(first >> 4), payload: body}
	switch m.kind {
	case mqtt.PingReq:
		l.send(append([]byte(nil), mqtt.PingResp.Head(0), 0))
		return
	case mqtt.Publish:
		p, err := mqtt.Parse(first, body)
		if err != nil {
			l.t.Errorf("PUBLISH: %v", err)
		}
		m.qos, m.id, m.payload = p.QoS, p.ID, p.Payload
		if m.topic, err = wire.ParseTopic(string(p.Topic)); err != nil {
			l.t.Error(err)
		}
	}
	l.in <- m
}

func (l *link) write() {
	for {
		select {
		case b := <-l.out:
			_, _ = l.conn.Write(b)
		case <-l.done:
			return
		}
	}
}

func (l *link) send(b []byte) { l.out <- b }

// close ends the connection from the cloud's side, and waits for l's goroutines.
func (l *link) close() {
	l.once.Do(func() { close(l.done); _ = l.conn.Close() })
	go func() {
		for range l.in { // unread messages must not keep the reader
		}
	}()
	l.working.Wait()
}

// accept waits for a device to connect, reads CONNECT and answers code.
func (c *cloud) accept(code byte) *link {
	c.t.Helper()
	var l *link
	select {
	case l = <-c.links:
	case <-time.After(patience):
		c.t.Fatal("no device connected")
	}
	c.t.Cleanup(l.close)
	m := l.next()
	if m.kind != mqtt.Connect {
		c.t.Fatalf("first packet: got type %d, want CONNECT", m.kind)
	}
	texts := fields(m.payload[10:])
	l.device, l.secret = fleet.DeviceID(texts[0]), texts[2]
	l.send([]byte{mqtt.ConnAck.Head(0), 2, 0, code})
	return l
}

func fields(b []byte) (all []string) {
	for len(b) >= 2 {
		n := int(binary.BigEndian.Uint16(b))
		all, b = append(all, string(b[2:2+n])), b[2+n:]
	}
	return all
}

// next is the next packet; the connection's end is a message of kind 0.
func (l *link) next() message {
	l.t.Helper()
	select {
	case m := <-l.in:
		return m
	case <-time.After(patience):
		l.t.Fatal("the device says nothing")
	}
	return message{}
}

// quiet fails when the device says something before d is over.
func (l *link) quiet(d time.Duration) {
	l.t.Helper()
	select {
	case m := <-l.in:
		l.t.Fatalf("got packet type %d, topic %v, %x; want nothing for %v", m.kind, m.topic, m.payload, d)
	case <-time.After(d):
	}
}

func (l *link) expect(kind wire.TopicKind) message {
	l.t.Helper()
	m := l.next()
	if m.kind != mqtt.Publish || m.topic.Kind != kind || m.topic.Device() != l.device {
		l.t.Fatalf("got packet type %d, topic %v, %x; want %v", m.kind, m.topic, m.payload, wire.Topic{Speaker: l.device, Kind: kind})
	}
	return m
}

// expectEnd waits for DISCONNECT when goodbye is set, then for the connection's end.
func (l *link) expectEnd(goodbye bool) {
	l.t.Helper()
	m := l.next()
	if goodbye {
		if m.kind != mqtt.Disconnect {
			l.t.Fatalf("got packet type %d, topic %v; want DISCONNECT", m.kind, m.topic)
		}
		m = l.next()
	}
	if m.kind != 0 {
		l.t.Fatalf("got packet type %d, topic %v; want the connection's end", m.kind, m.topic)
	}
}

func decoded[M any](t testing.TB, decode func([]byte) (M, error), m message) M {
	t.Helper()
	v, err := decode(m.payload)
	if err != nil {
		t.Fatalf("%v: %v", m.topic, err)
	}
	return v
}

func (l *link) hello() wire.Hello {
	l.t.Helper()
	h := decoded(l.t, wire.DecodeHello, l.expect(wire.TopicHello))
	l.version = h.Version
	return h
}

func (l *link) want() wire.Want {
	l.t.Helper()
	return decoded(l.t, wire.DecodeWant, l.expect(wire.TopicWant))
}

// report expects a Report of state and acknowledges it.
func (l *link) report(state wire.ReportState) wire.Report {
	l.t.Helper()
	m := l.expect(wire.TopicReport)
	r := decoded(l.t, wire.DecodeReport, m)
	if r.State != state || m.qos != 1 {
		l.t.Fatalf("got report %+v at QoS %d, want state %d at QoS 1", r, m.qos, state)
	}
	l.ack(m)
	return r
}

func (l *link) ack(m message) { l.send(mqtt.AppendPubAck(nil, m.id)) }

func (l *link) tell(kind wire.TopicKind, payload []byte) {
	l.send(mqtt.AppendPublish(nil, mqtt.V311, wire.Topic{Speaker: l.device, Kind: kind}.String(), 0, 0, payload))
}

func (l *link) command(n uint32, payload string) {
	topic := wire.Topic{Speaker: l.device, Kind: wire.TopicCommand, Number: n, Name: "do"}
	l.send(mqtt.AppendPublish(nil, mqtt.V311, topic.String(), 0, 0, []byte(payload)))
}

func (l *link) welcome(h wire.Hello) {
	l.tell(wire.TopicWelcome, wire.Welcome{Boot: h.Boot, Time: time.Now(), Why: "test"}.Encode())
}

// greet is the handshake of a device that needs nothing.
func (c *cloud) greet() (*link, wire.Hello) {
	c.t.Helper()
	l := c.accept(0)
	h := l.hello()
	l.welcome(h)
	return l, h
}
