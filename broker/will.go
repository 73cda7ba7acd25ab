package broker

import (
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// will is the message to publish when a device's connection breaks.
type will struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
}

// takeWill takes the will out of CONNECT: what may stand in one is decided in checkWill.
func (l *Link) takeWill(c *packets.ConnectParams) {
	if c.WillFlag {
		l.will = &will{strings.Clone(c.WillTopic), append([]byte(nil), c.WillPayload...), c.WillQos, c.WillRetain}
	}
	c.WillFlag, c.WillRetain, c.WillQos, c.WillTopic, c.WillPayload = false, false, 0, "", nil
	c.WillProperties = packets.Properties{}
}

// checkWill allows a will to the device's own messages only (docs/protocol.md,
// "Connection"). QoS 2 and retain, which 3.1.1 has no code to refuse with, are ignored.
func (l *Link) checkWill() byte {
	w := l.will
	if w == nil {
		return codeNone
	}
	t, err := wire.ParseTopic(w.topic)
	switch {
	case w.qos > 2:
		return codeMalformed
	case err != nil, t.Kind != wire.TopicMessage, t.Speaker.String() != l.id.String(), t.Child != "":
		return codeTopicInvalid
	case len(w.payload) > t.Kind.Limit():
		return codePacketTooLarge
	case l.version == mqtt.V5 && w.qos > 1:
		return codeQoS
	case l.version == mqtt.V5 && w.retain:
		return codeRetain
	}
	return codeNone
}

// fireWill hands the will to the session, unless the device sent DISCONNECT or the broker
// is shutting down or draining: the device is well.
func (l *Link) fireWill() {
	select {
	case <-l.broker.stopping:
		return
	default:
	}
	if l.will == nil || !l.open || l.why == codeUseAnother {
		return
	}
	t, err := wire.ParseTopic(l.will.topic)
	if err == nil {
		err = l.session.Receive(l.broker.base, t, l.will.payload)
	}
	if err != nil {
		l.broker.log.Debug("will not accepted", "device", l.id, "err", err)
	}
}
