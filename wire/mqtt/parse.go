package mqtt

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Packet is a packet of MQTT 3.1.1. Topic and Payload are parts of what was parsed.
type Packet struct {
	Kind    Kind
	QoS     byte   // of a Publish
	ID      uint16 // of an acknowledgement, and of a Publish above QoS 0; both bytes of a ConnAck
	Topic   []byte // of a Publish
	Payload []byte // of a Publish; the codes of a SubAck
}

// Header reads a packet's first byte, its remaining length, and how many bytes both take.
// ok is false while data is too short for that.
func Header(data []byte) (first byte, remaining, taken int, ok bool, err error) {
	for i := 1; i < len(data); i++ {
		remaining |= int(data[i]&0x7f) << (7 * (i - 1))
		if data[i] < 0x80 {
			return data[0], remaining, i + 1, true, nil
		}
		if i == 4 {
			return 0, 0, 0, false, errors.New("remaining length takes more than four bytes")
		}
	}
	return 0, 0, 0, false, nil
}

// Parse takes apart the body of a packet of MQTT 3.1.1 that begins with first: ConnAck,
// Publish, PubAck or SubAck. Of other kinds it returns the kind alone.
func Parse(first byte, body []byte) (p Packet, err error) {
	p.Kind = Kind(first >> 4)
	switch p.Kind {
	case Publish:
		p.QoS = first >> 1 & 3
		if len(body) < 2 {
			return p, fmt.Errorf("PUBLISH of %d bytes", len(body))
		}
		n := int(binary.BigEndian.Uint16(body))
		rest := body[2:]
		if len(rest) < n || p.QoS > 0 && len(rest) < n+2 || p.QoS > 2 {
			return p, errors.New("PUBLISH is cut short")
		}
		p.Topic, p.Payload = rest[:n], rest[n:]
		if p.QoS > 0 {
			p.ID, p.Payload = binary.BigEndian.Uint16(p.Payload), p.Payload[2:]
		}
	case ConnAck, PubAck:
		if len(body) != 2 {
			return p, fmt.Errorf("packet type %d of %d bytes", p.Kind, len(body))
		}
		p.ID = binary.BigEndian.Uint16(body)
	case SubAck:
		if len(body) < 3 {
			return p, fmt.Errorf("SUBACK of %d bytes", len(body))
		}
		p.ID, p.Payload = binary.BigEndian.Uint16(body), body[2:]
	}
	return p, nil
}
