package broker

import (
	"errors"
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// guard is the one hook in the MQTT server. All of its methods run on the goroutine that
// reads the connection. Packets that carry something (PUBLISH, SUBSCRIBE, UNSUBSCRIBE)
// are dealt with as they are read and go no further; the server has no other hook, and
// its own access check, without one, refuses everything.
type guard struct {
	mqtt.HookBase
	broker *Broker
}

var errRefused = errors.New("refused")

func (g *guard) ID() string { return "guard" }

func (g *guard) Provides(hook byte) bool {
	switch hook {
	case mqtt.OnPacketRead, mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnPacketEncode, mqtt.OnSessionEstablished:
		return true
	}
	return false
}

func link(cl *mqtt.Client) *Link { return (*Link)(cl.Net.Conn.(*conn)) }

// OnPacketRead deals with every packet before the server sees it.
func (g *guard) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	l := link(cl)
	if pk.FixedHeader.Type == packets.Connect && !l.open {
		l.version = pk.ProtocolVersion
		l.takeWill(&pk.Connect)
		pk.Connect.Clean = true // whatever it asks for
		return pk, nil
	}
	code := codeNone
	switch pk.FixedHeader.Type {
	case packets.Publish:
		code = g.publish(l, &pk)
	case packets.Subscribe:
		code = g.subscribe(l, &pk)
	case packets.Unsubscribe:
		code = g.unsubscribe(l, &pk)
	case packets.Disconnect:
		if l.leaves(&pk) {
			l.will = nil // MQTT 5 §3.14.4, MQTT 3.1.1 §3.14.4
		}
		pk.Properties = packets.Properties{} // no session outlives its connection, whatever it says
		return pk, nil
	case packets.Pingreq:
		return pk, nil
	case packets.Puback: // of something never sent; harmless
	case packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		code = codeQoS
	default: // a second CONNECT, AUTH without a method, what only servers send
		code = codeProtocol
	}
	if code != codeNone {
		l.cause = code
		return pk, packets.ErrRejectPacket
	}
	return done, nil
}

// done stands for a packet that was dealt with: a PUBACK of an id that the server never
// used, which it passes over.
var done = packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}}

// OnConnect decides about a connection; a refusal's CONNACK is written here, since the
// server could not say why.
func (g *guard) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	l := link(cl)
	id, err := fleet.ParseDeviceID(pk.Connect.ClientIdentifier) // cl.ID is made up where this is empty
	if err != nil {
		return g.refuse(l, codeClientID, err)
	}
	l.id = fleet.DeviceID(strings.Clone(string(id))) // the original keeps the whole packet, password included
	l.client, cl.ID = cl, string(l.id)
	g.settle(l, cl)
	if pk.Properties.AuthenticationMethod != "" {
		return g.refuse(l, codeAuthMethod, nil)
	}
	if code := l.checkWill(); code != codeNone {
		return g.refuse(l, code, nil)
	}
	if g.broker.full(l.id) {
		return g.refuse(l, codeBusy, nil)
	}
	session, err := g.broker.cloud.Admit(g.broker.base, Connect{
		ID: l.id, User: string(pk.Connect.Username), Password: pk.Connect.Password,
		Address: l.address, TLS: l.tls, Link: l,
	})
	clear(pk.Connect.Password)
	if err != nil {
		return g.refuse(l, connackCode(err), err)
	}
	l.session, l.tls = session, nil
	g.broker.admitted(l)
	if !g.broker.take(l) {
		return g.refuse(l, codeBusy, nil)
	}
	l.seated = true
	g.broker.count.connections.Add(1)
	session.Begin()
	return nil
}

// settle leaves nothing in the server's record of the client that outlives its
// connection, waits for acknowledgements, or holds on to the packet.
func (g *guard) settle(l *Link, cl *mqtt.Client) {
	asked := &cl.Properties.Props
	l.maxPacket, l.expiry = asked.MaximumPacketSize, asked.SessionExpiryInterval > 0
	cl.Properties = mqtt.ClientProperties{
		ProtocolVersion: cl.Properties.ProtocolVersion,
		Clean:           true,
		Props: packets.Properties{
			MaximumPacketSize:      asked.MaximumPacketSize,
			RequestProblemInfo:     asked.RequestProblemInfo,
			RequestProblemInfoFlag: asked.RequestProblemInfoFlag,
		},
	}
	cl.State.Inflight.ResetSendQuota(0)
	cl.State.TopicAliases.Outbound = mqtt.NewOutboundTopicAliases(0)
	limit := g.broker.cfg.keepAlive()
	if cl.State.Keepalive == 0 || cl.State.Keepalive > limit {
		cl.State.Keepalive, cl.State.ServerKeepalive = limit, true
	}
}

func (g *guard) refuse(l *Link, code byte, why error) error {
	b := g.broker
	b.count.refused[code].Add(1)
	if b.refusals.Allow() {
		b.log.Info("connection refused", "device", l.id, "address", l.address, "code", code, "err", why)
	}
	_ = l.writeNow(connack(l.version, code)) // refused either way
	l.refused = true
	return errRefused
}

// OnConnectAuthenticate agrees to what OnConnect has let through.
func (g *guard) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnPacketEncode completes the CONNACK: what MQTT 5 clients have to know about what is
// not on offer here, and return codes that 3.1.1 has for refusals by the server itself.
func (g *guard) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type != packets.Connack {
		return pk
	}
	l := link(cl)
	if pk.ReasonCode != codeNone {
		g.broker.count.refused[pk.ReasonCode].Add(1)
		l.refused = true
		if l.version != mqtt5 && pk.ReasonCode >= codeUnspecified {
			pk.ReasonCode = returnCode(pk.ReasonCode)
		}
		if l.version > mqtt5 {
			pk.ReasonCode = returnVersion
		}
		return pk
	}
	p := &pk.Properties
	p.MaximumPacketSize = wire.MaxPacket
	p.RetainAvailableFlag = true // and 0, like those below
	p.SharedSubAvailableFlag = true
	p.SubIDAvailableFlag = true
	p.WildcardSubAvailable, p.WildcardSubAvailableFlag = 1, true
	p.SessionExpiryInterval, p.SessionExpiryIntervalFlag = 0, l.expiry
	return pk
}

// OnSessionEstablished comes after CONNACK: from here on others may write.
func (g *guard) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	l := link(cl)
	l.open = true
	g.broker.count.accepted.Add(1)
	l.release()
}
