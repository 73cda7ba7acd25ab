package devicelog

import (
	"encoding/binary"
	"fmt"
	"time"
)

// MaxContacts is how many connections of a device are kept: with 14 bytes each at most, they take
// 220 bytes of its record.
const MaxContacts = 16

// Reason codes with which connections end, beyond those of MQTT 5 (§2.4).
const (
	Lost        byte = 0xFF // without a DISCONNECT, by the network or the device
	GatewayGone byte = 0xFE // of a BLE device: with the connection of its gateway
	Detached    byte = 0xFD // of a BLE device: it is no longer behind the gateway
)

// Contact is one connection of a device, or its session behind a gateway.
type Contact struct {
	Began time.Time // to the microsecond, so that no two are the same
	Ended time.Time // to the millisecond; zero while it lasts, and where the end was not seen
	Code  byte      // what it ended with: of MQTT 5, or one of the above
}

// Contacts returns the connections in packed, newest first. It ignores what it can't read.
func Contacts(packed string) (list []Contact) {
	for {
		c, size := first(packed)
		if size == 0 {
			return list
		}
		list, packed = append(list, c), packed[size:]
	}
}

// first returns the first connection in packed and how many bytes it takes, 0 when there is none that can be read.
func first(packed string) (c Contact, size int) {
	began, n := uvarint(packed)
	if n <= 0 {
		return c, 0
	}
	lasted, m := uvarint(packed[n:])
	if m <= 0 || len(packed) == n+m {
		return c, 0
	}
	c = Contact{Began: time.UnixMicro(int64(began)).UTC(), Code: packed[n+m]}
	if lasted > 0 {
		c.Ended = c.Began.Add(time.Duration(lasted-1) * time.Millisecond)
	}
	return c, n + m + 1
}

// uvarint decodes a varint from a string, like binary.Uvarint.
func uvarint(s string) (value uint64, n int) {
	return binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
}

// Connection is a contact as it is shown. One without an end either lasts, or its end was not
// seen: the server stopped before it.
type Connection struct {
	Contact
	Lasts, Unseen bool
}

// Connections returns the connections in packed, newest first, of a device that is online or not.
func Connections(packed string, online bool) (list []Connection) {
	for i, c := range Contacts(packed) {
		open := c.Ended.IsZero()
		lasts := open && i == 0 && online
		list = append(list, Connection{Contact: c, Lasts: lasts, Unseen: open && !lasts})
	}
	return list
}

// WithContact returns packed with c, in place of one that began at the same time. The oldest are
// dropped. It is part of every handshake: only what changes is packed, without unpacking the others.
func WithContact(packed string, c Contact) string {
	began := max(c.Began.UnixMicro(), 0)
	at, n := 0, 0 // where c belongs, and how many are newer
	next, size := first(packed)
	for size > 0 && next.Began.UnixMicro() > began {
		at, n = at+size, n+1
		next, size = first(packed[at:])
	}
	if n == MaxContacts {
		return packed[:at]
	}
	from := at
	if size > 0 && next.Began.UnixMicro() == began {
		from += size
	}
	end := from
	for n++; n < MaxContacts; n++ {
		_, size := first(packed[end:])
		if size == 0 {
			break
		}
		end += size
	}
	var room [(MaxContacts + 1) * 14]byte
	text := pack(append(room[:0], packed[:at]...), c)
	return string(append(text, packed[from:end]...))
}

func pack(text []byte, c Contact) []byte {
	text = binary.AppendUvarint(text, uint64(max(c.Began.UnixMicro(), 0)))
	lasted := uint64(0)
	if !c.Ended.IsZero() {
		lasted = 1 + uint64(max(c.Ended.Sub(c.Began).Milliseconds(), 0))
	}
	return append(binary.AppendUvarint(text, lasted), c.Code)
}

// Why returns what ended the connection, in words.
func (c Contact) Why() string {
	switch c.Code {
	case 0x00:
		return "the device disconnected"
	case Lost:
		return "connection lost"
	case GatewayGone:
		return "its gateway's connection ended"
	case Detached:
		return "no longer behind the gateway"
	case 0x89:
		return "the server could not serve it"
	case 0x8D:
		return "nothing came for one and a half keep-alives"
	case 0x8E:
		return "replaced by a newer connection"
	case 0x97:
		return "over a limit"
	case 0x98:
		return "closed because the device was disabled, deleted or got a new secret"
	case 0x9C:
		return "sent to another server, because this one was being stopped"
	}
	return fmt.Sprintf("closed by the server, which did not accept a packet (0x%02x)", c.Code)
}
