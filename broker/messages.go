package broker

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// errLeft ends a conversation that the device has ended with DISCONNECT.
var errLeft = errors.New("the device sent DISCONNECT")

// converse handles packets until the connection ends, and returns why: cause is the reason
// code, unless it follows from err. Between packets the goroutine uses as little stack as
// possible: that is most of what an idle connection costs.
func (l *Link) converse(in *bufio.Reader) (cause byte, err error) {
	for err == nil && cause == codeNone {
		now := time.Now()
		l.hear(now)
		if err = l.transport.SetReadDeadline(now.Add(l.silence)); err != nil {
			break
		}
		var h packets.FixedHeader
		if h, err = readHead(in); err == nil {
			cause, err = l.receive(in, h)
		}
	}
	return cause, err
}

// receive reads the rest of a packet and handles it. It returns the code to end the
// connection with.
func (l *Link) receive(in *bufio.Reader, h packets.FixedHeader) (cause byte, err error) {
	var pk packets.Packet
	if err := readBody(in, h, l.version, &pk); err != nil {
		return codeNone, err
	}
	select {
	case <-l.out.Closed(): // what came with the packet before is not handled
		return codeNone, net.ErrClosed
	default:
	}
	if h.Type == packets.Publish {
		return l.publish(&pk), nil
	}
	if !l.others.Take(wire.PacketBurst, wire.PacketInterval) {
		return codeQuota, nil
	}
	switch h.Type {
	case packets.Subscribe:
		return l.subscribe(&pk), nil
	case packets.Unsubscribe:
		return l.unsubscribe(&pk), nil
	case packets.Pingreq:
		l.answer(pingresp)
		return codeNone, nil
	case packets.Puback: // of something never sent; harmless
		return codeNone, nil
	case packets.Disconnect:
		if pk.ReasonCode == codeNone {
			l.will = nil // MQTT 5 §3.14.4, MQTT 3.1.1 §3.14.4; any other reason asks for it
		}
		return codeNone, errLeft
	case packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		return codeQoS, nil
	}
	return codeProtocol, nil // a second CONNECT, AUTH without a method, what only servers send
}

// publish hands a PUBLISH to the cloud and acknowledges it. It returns the code to end
// the connection with.
func (l *Link) publish(pk *packets.Packet) byte {
	qos := pk.FixedHeader.Qos
	switch {
	case qos > 1:
		return codeQoS
	case pk.FixedHeader.Retain && l.version == mqtt.V5:
		return codeRetain
	case pk.FixedHeader.Retain:
		l.broker.count.ignored[ignoredRetain].Add(1)
	}
	if code := pk.PublishValidate(0); code != packets.CodeSuccess {
		return code.Code
	}
	t, err := wire.ParseTopic(pk.TopicName)
	if err != nil || !wire.MayPublish(l.id, l.session.Gateway(), t) {
		return l.deny(pk)
	}
	if len(pk.Payload) > t.Kind.Limit() {
		return codePacketTooLarge
	}
	l.broker.count.in.Add(1)
	if err := l.deliver(t, pk.Payload); err != nil {
		l.broker.log.Debug("message not accepted", "device", l.id, "topic", pk.TopicName, "err", err)
		if errors.Is(err, fleet.NoSpace) && qos == 1 && l.version == mqtt.V5 { // its Reports are accepted
			l.answer(puback(pk.PacketID, codeQuota))
			return codeNone
		}
		return disconnectCode(err)
	}
	if qos == 1 {
		l.answer(puback(pk.PacketID, codeNone))
	}
	return codeNone
}

// deliver hands a message to the session. The chunks that a Want queues are begun here, by
// the reader.
func (l *Link) deliver(t wire.Topic, payload []byte) error {
	if t.Kind != wire.TopicWant {
		return l.session.Receive(l.broker.base, t, payload)
	}
	l.out.Hold()
	err := l.session.Receive(l.broker.base, t, payload)
	l.out.Begin()
	return err
}

// deny answers a publish to a topic that the device may not use. QoS 0 has no answer, and
// MQTT 3.1.1 none for QoS 1 but ending the connection (§3.3.5).
func (l *Link) deny(pk *packets.Packet) byte {
	l.broker.log.Debug("publish denied", "device", l.id, "topic", pk.TopicName)
	switch {
	case !l.others.Take(wire.PacketBurst, wire.PacketInterval):
		return codeQuota
	case pk.FixedHeader.Qos == 0:
		l.broker.count.ignored[ignoredTopic].Add(1)
	case l.version == mqtt.V5:
		l.broker.count.ignored[ignoredTopic].Add(1)
		l.answer(puback(pk.PacketID, codeNotAuthorized))
	default:
		return codeNotAuthorized
	}
	return codeNone
}

// subscribe grants a device its own topics. It has no effect: the cloud delivers without a
// subscription.
func (l *Link) subscribe(pk *packets.Packet) byte {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return code.Code
	}
	if len(pk.Properties.SubscriptionIdentifier) > 0 {
		return codeSubscriptionID
	}
	codes := make([]byte, len(pk.Filters))
	for i, f := range pk.Filters {
		codes[i] = l.grant(f)
		if codes[i] >= codeUnspecified && l.version != mqtt.V5 {
			codes[i] = codeUnspecified
		}
	}
	l.answer(suback(mqtt.SubAck, l.version, pk.PacketID, codes))
	return codeNone
}

func (l *Link) grant(f packets.Subscription) byte {
	switch {
	case len(f.Filter) >= len("$share") && strings.EqualFold(f.Filter[:len("$share")], "$share"):
		return codeSharedSubscription
	case !mochi.IsValidFilter(f.Filter, false):
		return codeFilterInvalid
	case !wire.MaySubscribe(l.id, l.session.Gateway(), f.Filter):
		return codeNotAuthorized
	}
	return min(f.Qos, 1)
}

func (l *Link) unsubscribe(pk *packets.Packet) byte {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		return code.Code
	}
	l.answer(suback(mqtt.UnsubAck, l.version, pk.PacketID, make([]byte, len(pk.Filters))))
	return codeNone
}
