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

// will is what a device wants said when its connection breaks.
type will struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
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

// leaves reports whether a DISCONNECT means that no will is to be sent: a reason other
// than 0 asks for it. The server does not decode a reason without properties after it,
// but nothing may follow a DISCONNECT, so that it is the last byte that came.
func (l *Link) leaves(pk *packets.Packet) bool {
	if l.version == mqtt5 && pk.FixedHeader.Remaining == 1 {
		return l.last == codeNone
	}
	return pk.ReasonCode == codeNone
}

// done stands for a packet that was dealt with: a PUBACK of an id that the server never
// used, which it passes over.
var done = packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}}

// takeWill hides the will from the server, which would publish it past every check.
func (l *Link) takeWill(c *packets.ConnectParams) {
	if c.WillFlag {
		l.will = &will{strings.Clone(c.WillTopic), append([]byte(nil), c.WillPayload...), c.WillQos, c.WillRetain}
	}
	c.WillFlag, c.WillRetain, c.WillQos, c.WillTopic, c.WillPayload = false, false, 0, "", nil
	c.WillProperties = packets.Properties{}
}

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

// checkWill allows a will to the device's own messages only (docs/protocol.md,
// "Connection"). What 3.1.1 has no way to be told of, QoS 2 and retain, is passed over.
func (l *Link) checkWill() byte {
	w := l.will
	if w == nil {
		return codeNone
	}
	t, err := wire.ParseTopic(w.topic)
	switch {
	case w.qos > 2:
		return codeMalformed
	case err != nil, t.Kind != wire.TopicMessage, t.Speaker != l.id, t.Child != "":
		return codeTopicInvalid
	case len(w.payload) > t.Kind.Limit():
		return codePacketTooLarge
	case l.version == mqtt5 && w.qos > 1:
		return codeQoS
	case l.version == mqtt5 && w.retain:
		return codeRetain
	}
	return codeNone
}

func (g *guard) refuse(l *Link, code byte, why error) error {
	b := g.broker
	b.count.refused[code].Add(1)
	b.log.Info("connection refused", "device", l.id, "address", l.address, "code", code, "err", why)
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

// publish hands a PUBLISH to the cloud and acknowledges it. It returns the code to end
// the connection with.
func (g *guard) publish(l *Link, pk *packets.Packet) byte {
	qos := pk.FixedHeader.Qos
	switch {
	case qos > 1:
		return codeQoS
	case pk.FixedHeader.Retain && l.version == mqtt5:
		return codeRetain
	case pk.FixedHeader.Retain:
		g.broker.count.ignored[ignoredRetain].Add(1)
	}
	if code := pk.PublishValidate(0); code != packets.CodeSuccess {
		return code.Code
	}
	if !wire.MayPublish(l.id, l.session.Gateway(), pk.TopicName) {
		return g.deny(l, pk)
	}
	t, err := wire.ParseTopic(pk.TopicName)
	if err != nil {
		return codeTopicInvalid
	}
	if len(pk.Payload) > t.Kind.Limit() {
		return codePacketTooLarge
	}
	g.broker.count.in.Add(1)
	if err := l.session.Receive(g.broker.base, t, pk.Payload); err != nil {
		g.broker.log.Debug("message not accepted", "device", l.id, "topic", pk.TopicName, "err", err)
		return disconnectCode(err)
	}
	if qos == 1 {
		l.answer(puback(pk.PacketID, codeNone))
	}
	return codeNone
}

// deny answers a publish to a topic that is not the device's. QoS 0 has no answer, and
// MQTT 3.1.1 none for QoS 1 but ending the connection (§3.3.5).
func (g *guard) deny(l *Link, pk *packets.Packet) byte {
	g.broker.log.Debug("publish denied", "device", l.id, "topic", pk.TopicName)
	switch {
	case pk.FixedHeader.Qos == 0:
		g.broker.count.ignored[ignoredTopic].Add(1)
	case l.version == mqtt5:
		g.broker.count.ignored[ignoredTopic].Add(1)
		l.answer(puback(pk.PacketID, codeNotAuthorized))
	default:
		return codeNotAuthorized
	}
	return codeNone
}

// subscribe grants a device its own topics. That changes nothing: the cloud delivers
// without a subscription.
func (g *guard) subscribe(l *Link, pk *packets.Packet) byte {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return code.Code
	}
	if len(pk.Properties.SubscriptionIdentifier) > 0 {
		return codeSubscriptionID
	}
	codes := make([]byte, len(pk.Filters))
	for i, f := range pk.Filters {
		codes[i] = l.grant(f)
		if codes[i] >= codeUnspecified && l.version != mqtt5 {
			codes[i] = codeUnspecified
		}
	}
	l.answer(suback(headSuback, l.version, pk.PacketID, codes))
	return codeNone
}

func (l *Link) grant(f packets.Subscription) byte {
	switch {
	case len(f.Filter) >= len("$share") && strings.EqualFold(f.Filter[:len("$share")], "$share"):
		return codeSharedSubscription
	case !mqtt.IsValidFilter(f.Filter, false):
		return codeFilterInvalid
	case !wire.MaySubscribe(l.id, l.session.Gateway(), f.Filter):
		return codeNotAuthorized
	}
	return min(f.Qos, 1)
}

func (g *guard) unsubscribe(l *Link, pk *packets.Packet) byte {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		return code.Code
	}
	l.answer(suback(headUnsuback, l.version, pk.PacketID, make([]byte, len(pk.Filters))))
	return codeNone
}
