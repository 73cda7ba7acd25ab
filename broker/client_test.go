package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// client is a hand-written MQTT client: unlike mqttlite, it sends packets that are wrong.
type client struct {
	t       testing.TB
	conn    net.Conn
	r       *bufio.Reader
	version byte
}

// packet is one packet from the broker.
type packet struct {
	head byte // type and flags
	body []byte
}

// hello is what a CONNECT says.
type hello struct {
	id, user, password string
	keepAlive          uint16
	flags              byte   // besides clean start, user and password
	properties         []byte // MQTT 5
	willProperties     []byte
	willTopic          string
	willPayload        string
	lasting            bool // no clean start
}

func text(s string) []byte { return mqtt.AppendText(nil, s) }

func raw(head byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	return append(mqtt.AppendLength([]byte{head}, len(body)), body...)
}

func properties(version byte, p []byte) []byte {
	if version != mqtt.V5 {
		return nil
	}
	return append(mqtt.AppendLength(nil, len(p)), p...)
}

func connectPacket(version byte, h hello) []byte {
	flags := h.flags
	if !h.lasting {
		flags |= 0x02
	}
	var payload []byte
	payload = append(payload, text(h.id)...)
	if flags&0x04 != 0 {
		payload = append(payload, properties(version, h.willProperties)...)
		payload = append(payload, text(h.willTopic)...)
		payload = append(payload, text(h.willPayload)...)
	}
	if h.user != "" {
		flags |= 0x80
		payload = append(payload, text(h.user)...)
	}
	if h.password != "" || flags&0x40 != 0 {
		flags |= 0x40
		payload = append(payload, text(h.password)...)
	}
	return raw(0x10, text("MQTT"), []byte{version, flags, byte(h.keepAlive >> 8), byte(h.keepAlive)},
		properties(version, h.properties), payload)
}

func publishPacket(version, qos byte, id uint16, topic string, payload []byte) []byte {
	return mqtt.AppendPublish(nil, version, topic, qos, id, payload)
}

func subscribePacket(version byte, id uint16, filters ...string) []byte {
	return mqtt.AppendSubscribe(nil, version, id, 1, filters...)
}

func (c *client) send(packets ...[]byte) {
	c.t.Helper()
	for _, p := range packets {
		if _, err := c.conn.Write(p); err != nil {
			c.t.Fatalf("write: %v", err)
		}
	}
}

func (c *client) receive() (packet, error) {
	head, err := c.r.ReadByte()
	if err != nil {
		return packet{}, err
	}
	n, err := binary.ReadUvarint(c.r)
	if err != nil {
		return packet{}, err
	}
	p := packet{head, make([]byte, n)}
	_, err = io.ReadFull(c.r, p.body)
	return p, err
}

// next is the next packet from the broker.
func (c *client) next() packet {
	c.t.Helper()
	p, err := c.receive()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return p
}

// expect reads the next packet and holds it against head and body.
func (c *client) expect(what string, head byte, body ...byte) {
	c.t.Helper()
	p := c.next()
	if p.head != head || string(p.body) != string(body) {
		c.t.Fatalf("%s: got %#x % x, want %#x % x", what, p.head, p.body, head, body)
	}
}

// expectEnd reads up to the end of the connection; only PUBLISH may come before it.
func (c *client) expectEnd(what string) {
	c.t.Helper()
	p, err := c.receive()
	if err == nil {
		c.t.Fatalf("%s: got packet %#x % x, want the end of the connection", what, p.head, p.body)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("%s: the connection is still open", what)
	}
}

// connect sends CONNECT and returns the CONNACK.
func (c *client) connect(h hello) packet {
	c.t.Helper()
	c.send(connectPacket(c.version, h))
	p := c.next()
	if p.head != mqtt.ConnAck.Head(0) {
		c.t.Fatalf("got packet %#x, want CONNACK", p.head)
	}
	return p
}

// join connects as id with its proof and expects to be let in.
func (c *client) join(id string) *client {
	c.t.Helper()
	if ack := c.connect(hello{id: id, user: id, password: "proof", keepAlive: 60}); ack.body[1] != 0 {
		c.t.Fatalf("CONNACK %#x, want 0", ack.body[1])
	}
	return c
}

// published reads the next packet, a PUBLISH, and takes it apart.
func (c *client) published() (topic string, payload []byte) {
	c.t.Helper()
	p := c.next()
	if p.head != mqtt.Publish.Head(0) {
		c.t.Fatalf("got packet %#x % x, want a QoS 0 PUBLISH", p.head, p.body)
	}
	n := int(binary.BigEndian.Uint16(p.body))
	topic, payload = string(p.body[2:2+n]), p.body[2+n:]
	if c.version == mqtt.V5 {
		payload = payload[1:]
	}
	return topic, payload
}

// ping makes sure that the broker has read everything sent before.
func (c *client) ping() {
	c.t.Helper()
	c.send([]byte{0xC0, 0})
	c.expect("PINGRESP", 0xD0)
}

func newClient(t testing.TB, conn net.Conn, version byte) *client {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: conn, r: bufio.NewReader(conn), version: version}
}

// dial opens a connection to a broker that listens on addr.
func dial(t testing.TB, addr net.Addr, version byte) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	return newClient(t, conn, version)
}

// pipe attaches a client to b over a net.Pipe.
func pipe(t testing.TB, b *Broker, version byte) *client {
	t.Helper()
	near, far := net.Pipe()
	go b.Attach(far)
	return newClient(t, near, version)
}

func topicOf(t testing.TB, s string) wire.Topic {
	t.Helper()
	topic, err := wire.ParseTopic(s)
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// both runs a test for each version of MQTT.
func both(t *testing.T, test func(t *testing.T, version byte)) {
	t.Run("3.1.1", func(t *testing.T) { test(t, mqtt.V311) })
	t.Run("5", func(t *testing.T) { test(t, mqtt.V5) })
}
