package broker

import (
	"encoding/binary"

	"github.com/muster-iot/muster/wire/mqtt"
)

// pingresp answers a PINGREQ.
var pingresp = []byte{mqtt.PingResp.Head(0), 0}

// connack refuses a connection with an MQTT 5 reason.
func connack(version, code byte) []byte {
	if version == mqtt.V5 {
		return []byte{mqtt.ConnAck.Head(0), 3, 0, code, 0}
	}
	return []byte{mqtt.ConnAck.Head(0), 2, 0, returnCode(code)}
}

// puback answers the PUBLISH with that packet id; only MQTT 5 has codes other than codeNone.
func puback(id uint16, code byte) []byte {
	if code == codeNone {
		return mqtt.AppendPubAck(nil, id)
	}
	return []byte{mqtt.PubAck.Head(0), 3, byte(id >> 8), byte(id), code}
}

// suback answers a SUBSCRIBE or, with kind mqtt.UnsubAck, an UNSUBSCRIBE.
func suback(kind mqtt.Kind, version byte, id uint16, codes []byte) []byte {
	if version != mqtt.V5 && kind == mqtt.UnsubAck {
		codes = nil
	}
	var body []byte
	body = binary.BigEndian.AppendUint16(body, id)
	if version == mqtt.V5 {
		body = append(body, 0) // no properties
	}
	body = append(body, codes...)
	return append(mqtt.AppendLength([]byte{kind.Head(0)}, len(body)), body...)
}

// disconnect is MQTT 5's DISCONNECT from the server; 3.1.1 has none.
func disconnect(code byte) []byte { return []byte{mqtt.Disconnect.Head(0), 1, code} }
