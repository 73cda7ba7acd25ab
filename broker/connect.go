package broker

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// receiveMaximum is how many QoS 1 messages a client may have in flight. Each is handled
// before the next is read, so this only bounds what TCP buffers.
const receiveMaximum = 64

var errRefused = errors.New("refused")

// connect reads CONNECT, asks the cloud, and answers. What is sent meanwhile waits: CONNACK
// goes before everything.
func (l *Link) connect(in *bufio.Reader) error {
	h, err := readHead(in)
	if err != nil {
		return err
	}
	if h.Type != packets.Connect {
		return packets.ErrProtocolViolationRequireFirstConnect // MQTT 5 §3.1
	}
	var pk packets.Packet
	if err := readBody(in, h, 0, &pk); err != nil {
		return err
	}
	l.broker.places.reach(l.place, claiming)
	l.hear(time.Now())
	l.speaks(pk.ProtocolVersion)
	l.takeWill(&pk.Connect)
	if code := validate(&pk); code != codeNone {
		return l.refuse(code, nil)
	}
	if err := l.admit(&pk, in); err != nil {
		return err
	}
	ack, err := l.acceptance(&pk)
	if err == nil {
		err = l.out.WriteFirst(ack)
	}
	if err != nil {
		return err
	}
	l.open = true
	l.broker.count.accepted.Add(1)
	l.out.Open()
	return nil
}

// validate checks a CONNECT without looking at its proof.
func validate(pk *packets.Packet) byte {
	if len(pk.Connect.Password) == 0 {
		pk.Connect.PasswordFlag = false // an empty secret counts as none: the cloud refuses it
	}
	switch code := pk.ConnectValidate(); {
	case pk.ProtocolVersion != mqtt.V311 && pk.ProtocolVersion != mqtt.V5:
		return codeVersion // MQTT 3.1.1 §3.1.2.2
	case code != packets.CodeSuccess:
		return code.Code
	case pk.Properties.AuthenticationMethod != "":
		return codeAuthMethod
	}
	return codeNone
}

// admit asks the cloud, and waits for the device's turn: for a pause, if it connects too often,
// and for its older connection to end.
func (l *Link) admit(pk *packets.Packet, in *bufio.Reader) error {
	b := l.broker
	id, err := fleet.ParseDeviceID(pk.Connect.ClientIdentifier)
	if err != nil {
		return l.refuse(codeClientID, err)
	}
	l.id = fleet.DeviceID(strings.Clone(id.String())) // until it is known whose it is; the original keeps the whole packet, password included
	l.maxPacket, l.expiry = pk.Properties.MaximumPacketSize, pk.Properties.SessionExpiryInterval > 0
	if code := l.checkWill(); code != codeNone {
		return l.refuse(code, nil)
	}
	session, err := b.cloud.Admit(b.base, Connect{
		ID: l.id, User: string(pk.Connect.Username), Password: pk.Connect.Password,
		Address: l.address, Link: l,
	})
	clear(pk.Connect.Password)
	if err != nil {
		return l.refuse(connackCode(err), err)
	}
	l.session, l.id = session, session.ID()
	b.admitted(l)
	if !b.take(l, in) { // after the proof: a stranger learns neither that all seats are taken nor who holds one
		return l.refuse(codeBusy, nil)
	}
	l.seated = true
	b.count.connections.Add(1)
	session.Begin()
	return nil
}

// acceptance is the CONNACK that accepts. It lists what is not supported (MQTT 5 §3.2.2.3).
func (l *Link) acceptance(connect *packets.Packet) ([]byte, error) {
	limit := l.broker.cfg.keepAlive()
	keepAlive := connect.Connect.Keepalive
	overruled := keepAlive == 0 || keepAlive > limit
	if overruled {
		keepAlive = limit
	}
	l.silence = time.Duration(keepAlive) * time.Second * 3 / 2 // MQTT 5 §3.1.2.10
	ack := packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Connack},
		ProtocolVersion: l.version,
		Properties: packets.Properties{
			ReceiveMaximum:    receiveMaximum,
			MaximumPacketSize: wire.MaxPacket,
			ServerKeepAlive:   keepAlive, ServerKeepAliveFlag: overruled,
			MaximumQos: 1, MaximumQosFlag: true,
			WildcardSubAvailable: 1, WildcardSubAvailableFlag: true,
			RetainAvailableFlag:       true, // and 0, like those below
			SharedSubAvailableFlag:    true,
			SubIDAvailableFlag:        true,
			SessionExpiryIntervalFlag: l.expiry,
		},
	}
	var p bytes.Buffer
	if err := ack.ConnackEncode(&p); err != nil {
		return nil, err
	}
	if !l.takes(p.Len()) {
		return nil, packets.ErrPacketTooLarge // MQTT 5 §3.1.2.11.4
	}
	return p.Bytes(), nil
}

// refuse answers with a CONNACK that has code, and logs why; nil: what code means.
func (l *Link) refuse(code byte, why error) error {
	b := l.broker
	b.count.refused[code].Add(1)
	if !errors.Is(why, fleet.Unavailable) && b.refusals.Allow() { // the store logs once that it can't be used
		if why == nil {
			why = errors.New(refusalText(code))
		}
		b.log.Info("connection refused", "device", l.id, "address", l.address, "code", shown(code), "err", why)
	}
	_ = l.out.WriteFirst(connack(l.version, code)) // refused either way
	l.refused = true
	return errRefused
}
