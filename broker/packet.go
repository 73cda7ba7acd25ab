package broker

import "encoding/binary"

// MQTT versions as CONNECT says them.
const (
	mqtt311 byte = 4
	mqtt5   byte = 5
)

// First bytes of the packets written here (type and flags).
const (
	headConnack    byte = 2 << 4
	headPublish    byte = 3 << 4
	headPuback     byte = 4 << 4
	headSuback     byte = 9 << 4
	headUnsuback   byte = 11 << 4
	headDisconnect byte = 14 << 4
)

// maxPublishHead is how many bytes a QoS 0 PUBLISH takes at most besides its topic and payload.
const maxPublishHead = 1 + 4 + 2 + 1

// appendLength appends a variable byte integer (MQTT 5 §1.5.5).
func appendLength(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

// appendPublishHead appends all of a QoS 0 PUBLISH but its payload of size bytes.
func appendPublishHead(dst []byte, version byte, topic string, size int) []byte {
	remaining := 2 + len(topic) + size
	if version == mqtt5 {
		remaining++
	}
	dst = appendLength(append(dst, headPublish), remaining)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(topic)))
	dst = append(dst, topic...)
	if version == mqtt5 {
		dst = append(dst, 0) // no properties
	}
	return dst
}

// pingresp answers a PINGREQ.
var pingresp = []byte{13 << 4, 0}

// connack refuses a connection with an MQTT 5 reason.
func connack(version, code byte) []byte {
	if version == mqtt5 {
		return []byte{headConnack, 3, 0, code, 0}
	}
	return []byte{headConnack, 2, 0, returnCode(code)}
}

// puback acknowledges packet id; code is codeNone but in MQTT 5.
func puback(id uint16, code byte) []byte {
	if code == codeNone {
		return []byte{headPuback, 2, byte(id >> 8), byte(id)}
	}
	return []byte{headPuback, 3, byte(id >> 8), byte(id), code}
}

// suback answers a SUBSCRIBE or, with head headUnsuback, an UNSUBSCRIBE.
func suback(head, version byte, id uint16, codes []byte) []byte {
	if version != mqtt5 && head == headUnsuback {
		codes = nil
	}
	remaining := 2 + len(codes)
	if version == mqtt5 {
		remaining++
	}
	p := appendLength([]byte{head}, remaining)
	p = binary.BigEndian.AppendUint16(p, id)
	if version == mqtt5 {
		p = append(p, 0) // no properties
	}
	return append(p, codes...)
}

// disconnect is MQTT 5's DISCONNECT from the server; 3.1.1 has none.
func disconnect(code byte) []byte { return []byte{headDisconnect, 1, code} }
