package mqtt

import (
	"encoding/binary"
	"math"
	"time"
)

// Versions, as CONNECT states them.
const (
	V311 byte = 4
	V5   byte = 5
)

// Kind is the type of a control packet (MQTT 5 §2.1.2).
type Kind byte

// The kinds of packets that are written or read here.
const (
	Connect    Kind = 1
	ConnAck    Kind = 2
	Publish    Kind = 3
	PubAck     Kind = 4
	Subscribe  Kind = 8
	SubAck     Kind = 9
	UnsubAck   Kind = 11
	PingReq    Kind = 12
	PingResp   Kind = 13
	Disconnect Kind = 14
)

// Head is a packet's first byte.
func (k Kind) Head(flags byte) byte { return byte(k)<<4 | flags }

// AppendLength appends a variable byte integer (MQTT 5 §1.5.5).
func AppendLength(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

// AppendText appends a string with its length (MQTT 5 §1.5.4).
func AppendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

// appendProperties appends an empty list of properties where version has such lists.
func appendProperties(dst []byte, version byte) []byte {
	if version == V5 {
		return append(dst, 0)
	}
	return dst
}

// properties is the size of an empty list of properties.
func properties(version byte) int {
	if version == V5 {
		return 1
	}
	return 0
}

// Client is what a CONNECT carries about a client. The session is clean, without a will.
type Client struct {
	ID        string
	User      string
	Password  string
	KeepAlive time.Duration // whole seconds, 65,535 at most; 0: none
}

func (c Client) keepAlive() uint16 { return uint16(min(c.KeepAlive/time.Second, math.MaxUint16)) }

// AppendConnect appends a CONNECT.
func AppendConnect(dst []byte, version byte, c Client) []byte {
	const clean, password, user = 0x02, 0x40, 0x80
	flags, remaining := byte(clean), 10+properties(version)+2+len(c.ID)
	if c.User != "" {
		flags, remaining = flags|user, remaining+2+len(c.User)
	}
	if c.Password != "" {
		flags, remaining = flags|password, remaining+2+len(c.Password)
	}
	dst = AppendLength(append(dst, Connect.Head(0)), remaining)
	dst = append(AppendText(dst, "MQTT"), version, flags)
	dst = appendProperties(binary.BigEndian.AppendUint16(dst, c.keepAlive()), version)
	dst = AppendText(dst, c.ID)
	if c.User != "" {
		dst = AppendText(dst, c.User)
	}
	if c.Password != "" {
		dst = AppendText(dst, c.Password)
	}
	return dst
}

// MaxPublishHead is how many bytes a QoS 0 PUBLISH takes at most besides its topic and payload.
const MaxPublishHead = 1 + 4 + 2 + 1

// AppendPublishHead appends all of a QoS 0 PUBLISH but its payload of size bytes.
func AppendPublishHead(dst []byte, version byte, topic string, size int) []byte {
	dst = AppendLength(append(dst, Publish.Head(0)), 2+len(topic)+properties(version)+size)
	return appendProperties(AppendText(dst, topic), version)
}

// AppendPublish appends a PUBLISH. id is not used at QoS 0.
func AppendPublish(dst []byte, version byte, topic string, qos byte, id uint16, payload []byte) []byte {
	if qos == 0 {
		return append(AppendPublishHead(dst, version, topic, len(payload)), payload...)
	}
	dst = AppendLength(append(dst, Publish.Head(qos<<1)), 2+len(topic)+2+properties(version)+len(payload))
	dst = binary.BigEndian.AppendUint16(AppendText(dst, topic), id)
	return append(appendProperties(dst, version), payload...)
}

// AppendPubAck appends the PUBACK that accepts a PUBLISH; both versions share it.
func AppendPubAck(dst []byte, id uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, PubAck.Head(0), 2), id)
}

// AppendSubscribe appends a SUBSCRIBE to filters.
func AppendSubscribe(dst []byte, version byte, id uint16, qos byte, filters ...string) []byte {
	remaining := 2 + properties(version)
	for _, f := range filters {
		remaining += 2 + len(f) + 1
	}
	dst = AppendLength(append(dst, Subscribe.Head(2)), remaining)
	dst = appendProperties(binary.BigEndian.AppendUint16(dst, id), version)
	for _, f := range filters {
		dst = append(AppendText(dst, f), qos)
	}
	return dst
}
