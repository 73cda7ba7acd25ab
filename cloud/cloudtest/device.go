package cloudtest

import (
	"bytes"
	"cmp"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// Device is a device that a test drives packet by packet. It is not safe for concurrent use.
type Device struct {
	*mqttlite.Conn
	ID fleet.DeviceID
	t  testing.TB
}

// Message is a message from the cloud.
type Message struct {
	Topic   wire.Topic
	Payload []byte
}

// Dial connects a device with credential c.
func (s *Server) Dial(c simulator.Credential) *Device {
	s.Helper()
	return Dial(s, s.Broker(), c)
}

// Dial connects a device with credential c.
func Dial(t testing.TB, broker mqttlite.Broker, c simulator.Credential) *Device {
	t.Helper()
	d, err := TryDial(t, broker, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TryDial connects a device that may be rejected.
func TryDial(t testing.TB, broker mqttlite.Broker, c simulator.Credential) (*Device, error) {
	conn, err := mqttlite.Dial(t.Context(), broker, mqtt.Client{ID: c.ID.String(), User: cmp.Or(c.User, c.ID.String()), Password: c.Secret})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &Device{Conn: conn, ID: c.ID, t: t}, nil
}

// From makes connections to b come from another address of this machine.
func From(b mqttlite.Broker, last byte) mqttlite.Broker {
	b.Source = net.IPv4(127, 0, 1, last)
	return b
}

// Send publishes payload on one of the device's own topics and returns the packet id.
func (d *Device) Send(kind wire.TopicKind, qos byte, payload []byte) uint16 {
	d.t.Helper()
	return d.SendFor("", kind, qos, payload)
}

// SendFor publishes payload on a topic of child, or its own with "".
func (d *Device) SendFor(child fleet.DeviceID, kind wire.TopicKind, qos byte, payload []byte) uint16 {
	d.t.Helper()
	topic := wire.Topic{Speaker: d.ID, Child: child, Kind: kind}
	return Must[uint16](d.t)(d.Publish(topic.String(), qos, payload))
}

// Hello sends Hello with version and returns the Welcome.
func (d *Device) Hello(version uint32, edits ...func(*wire.Hello)) wire.Welcome {
	d.t.Helper()
	d.Send(wire.TopicHello, 0, hello(version, edits))
	return Must[wire.Welcome](d.t)(wire.DecodeWelcome(d.Receive(wire.TopicWelcome).Payload))
}

func hello(version uint32, edits []func(*wire.Hello)) []byte {
	h := wire.NewHello(fleet.WholeVersion(version))
	for _, edit := range edits {
		edit(&h)
	}
	return h.Encode()
}

// SendMessage publishes a message with that name and waits until it is acknowledged.
func (d *Device) SendMessage(name, text string) {
	d.t.Helper()
	topic := wire.Topic{Speaker: d.ID, Kind: wire.TopicMessage, Name: name}.String()
	d.WaitAck(Must[uint16](d.t)(d.Publish(topic, 1, []byte(text))), func(Message) {})
}

// ReceiveOffer is the next message from the cloud, which has to be an Offer.
func (d *Device) ReceiveOffer() wire.Offer {
	d.t.Helper()
	return Must[wire.Offer](d.t)(wire.DecodeOffer(d.Receive(wire.TopicOffer).Payload))
}

// Report reports the state of the update that o offered and waits until it is acknowledged.
func (d *Device) Report(o wire.Offer, state wire.ReportState, reason fleet.ReasonCode) {
	d.t.Helper()
	id := d.Send(wire.TopicReport, 1, wire.Report{Image: o.Image(), State: state, Reason: reason}.Encode())
	d.WaitAck(id, func(Message) {})
}

// Next is the next packet, with the message of a PUBLISH; its Kind is 0 when the connection
// has ended.
func (d *Device) Next() (mqtt.Packet, Message) {
	d.t.Helper()
	p, err := d.Read(time.Now().Add(Patience))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		d.t.Fatal("nothing came")
	case err != nil:
		return mqtt.Packet{}, Message{}
	case p.Kind != mqtt.Publish:
		return p, Message{}
	}
	return p, Message{Must[wire.Topic](d.t)(wire.ParseTopic(string(p.Topic))), bytes.Clone(p.Payload)}
}

// Receive is the next message from the cloud, which has to be of that kind.
func (d *Device) Receive(kind wire.TopicKind) Message {
	d.t.Helper()
	for {
		p, m := d.Next()
		switch {
		case p.Kind == 0:
			d.t.Fatalf("the connection ended before a message of kind %d", kind)
		case p.Kind == mqtt.Publish && m.Topic.Kind != kind:
			d.t.Fatalf("got %s, want a message of kind %d", m.Topic, kind)
		case p.Kind == mqtt.Publish:
			return m
		}
	}
}

// WaitAck waits for the PUBACK of packet id; messages before it are passed to other.
func (d *Device) WaitAck(id uint16, other func(Message)) {
	d.t.Helper()
	for {
		switch p, m := d.Next(); {
		case p.Kind == 0:
			d.t.Fatal("the connection ended before PUBACK")
		case p.Kind == mqtt.PubAck && p.ID == id:
			return
		case p.Kind == mqtt.Publish:
			other(m)
		}
	}
}

// WaitClosed waits until the connection has ended and ignores what comes before.
func (d *Device) WaitClosed() {
	d.t.Helper()
	for p, _ := d.Next(); p.Kind != 0; p, _ = d.Next() {
	}
}

// VerifyAlive verifies that the connection still answers.
func (d *Device) VerifyAlive() {
	d.t.Helper()
	d.WaitAck(d.Send(wire.TopicMessage, 1, []byte("alive")), func(Message) {})
}
