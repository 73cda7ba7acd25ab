package broker

import (
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/muster-iot/muster/wire"
)

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
