package simulator

import (
	"encoding/binary"
	"fmt"
)

// PacketKind is the type of an MQTT control packet (MQTT 3.1.1 §2.2.1).
type PacketKind byte

// The packets that Conn.Read returns.
const (
	Publish PacketKind = 3
	PubAck  PacketKind = 4
	SubAck  PacketKind = 9
)

// Packets that Conn deals with by itself.
const (
	connect    PacketKind = 1
	connAck    PacketKind = 2
	subscribe  PacketKind = 8
	pingReq    PacketKind = 12
	pingResp   PacketKind = 13
	disconnect PacketKind = 14
)

// Packet is what arrived. Topic and Payload are valid until the next Read.
type Packet struct {
	Kind    PacketKind
	ID      uint16 // of an acknowledgement, and of a Publish above QoS 0
	Topic   []byte
	Payload []byte
}

// Refused is a CONNACK that refuses the connection.
type Refused struct {
	Code byte // MQTT 3.1.1 §3.2.2.3
}

func (r *Refused) Error() string {
	texts := [...]string{"accepted", "protocol version", "client id", "server unavailable", "bad user name or password", "not authorised"}
	if int(r.Code) < len(texts) {
		return fmt.Sprintf("connection refused: %s (%d)", texts[r.Code], r.Code)
	}
	return fmt.Sprintf("connection refused: code %d", r.Code)
}

// header takes the fixed header off data: the first byte, the remaining length and how
// many bytes both take. ok is false while more bytes are needed.
func header(data []byte) (first byte, remaining, taken int, ok bool, err error) {
	for i := 1; i < len(data); i++ {
		remaining |= int(data[i]&0x7f) << (7 * (i - 1))
		if data[i] < 0x80 {
			return data[0], remaining, i + 1, true, nil
		}
		if i == 4 {
			return 0, 0, 0, false, fmt.Errorf("remaining length takes more than four bytes")
		}
	}
	return 0, 0, 0, false, nil
}

func appendHeader(dst []byte, kind PacketKind, flags byte, remaining int) []byte {
	dst = append(dst, byte(kind)<<4|flags)
	for remaining >= 0x80 {
		dst = append(dst, byte(remaining)|0x80)
		remaining >>= 7
	}
	return append(dst, byte(remaining))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

func appendConnect(dst []byte, o Connect) []byte {
	const clean, password, user = 0x02, 0x40, 0x80
	flags, remaining := byte(clean), 10+2+len(o.ID)
	if o.User != "" {
		flags, remaining = flags|user, remaining+2+len(o.User)
	}
	if o.Password != "" {
		flags, remaining = flags|password, remaining+2+len(o.Password)
	}
	dst = appendHeader(dst, connect, 0, remaining)
	dst = append(appendText(dst, "MQTT"), 4, flags)
	dst = binary.BigEndian.AppendUint16(dst, o.keepAliveSeconds())
	dst = appendText(dst, o.ID)
	if o.User != "" {
		dst = appendText(dst, o.User)
	}
	if o.Password != "" {
		dst = appendText(dst, o.Password)
	}
	return dst
}

func appendPublish(dst []byte, topic string, qos byte, id uint16, payload []byte) []byte {
	remaining := 2 + len(topic) + len(payload)
	if qos > 0 {
		remaining += 2
	}
	dst = appendText(appendHeader(dst, Publish, qos<<1, remaining), topic)
	if qos > 0 {
		dst = binary.BigEndian.AppendUint16(dst, id)
	}
	return append(dst, payload...)
}

func appendSubscribe(dst []byte, id uint16, filter string, qos byte) []byte {
	dst = appendHeader(dst, subscribe, 2, 2+2+len(filter)+1)
	dst = binary.BigEndian.AppendUint16(dst, id)
	return append(appendText(dst, filter), qos)
}

// parseBody takes a packet's body apart; qos is that of a Publish.
func parseBody(first byte, body []byte) (p Packet, qos byte, err error) {
	p.Kind = PacketKind(first >> 4)
	switch p.Kind {
	case Publish:
		qos = first >> 1 & 3
		if len(body) < 2 {
			return p, 0, fmt.Errorf("PUBLISH of %d bytes", len(body))
		}
		n := int(binary.BigEndian.Uint16(body))
		rest := body[2:]
		if len(rest) < n || qos > 0 && len(rest) < n+2 || qos > 2 {
			return p, 0, fmt.Errorf("PUBLISH is cut short")
		}
		p.Topic, p.Payload = rest[:n], rest[n:]
		if qos > 0 {
			p.ID, p.Payload = binary.BigEndian.Uint16(p.Payload), p.Payload[2:]
		}
	case connAck, PubAck:
		if len(body) != 2 {
			return p, 0, fmt.Errorf("packet type %d of %d bytes", p.Kind, len(body))
		}
		p.ID = binary.BigEndian.Uint16(body)
	case SubAck:
		if len(body) < 3 {
			return p, 0, fmt.Errorf("SUBACK of %d bytes", len(body))
		}
		p.ID, p.Payload = binary.BigEndian.Uint16(body), body[2:]
	}
	return p, qos, nil
}
