package conform

import (
	"encoding/binary"
	"math"
	"net"
	"sync"
	"sync/atomic"

	"github.com/muster-iot/muster/wire/mqtt"
)

// tap is a connection under observation: it records the QoS of what the device publishes,
// cuts the connection after a number of bytes to the device, and withholds PUBACKs while
// everything else passes in both directions.
type tap struct {
	net.Conn
	left atomic.Int64 // bytes to the device before the cut, plus 1; 0: no cut

	mu   sync.Mutex
	head []byte             // of the packet being read: fixed header and topic; guarded by mu
	skip int                // bytes of it still to come that don't matter; guarded by mu
	last map[string]publish // the last one, by topic; guarded by mu

	writing sync.Mutex
	down    downstream // guarded by writing
}

// publish is what matters of a PUBLISH of the device besides its topic and payload.
type publish struct {
	qos byte
	id  uint16 // with QoS 1
}

// downstream is where in MQTT's packets the bytes to the device are.
type downstream struct {
	head []byte          // of the packet: an incomplete fixed header, or a PUBACK so far
	body int             // bytes of the packet still to come
	hold map[uint16]bool // PUBACKs of these packets are withheld
	held []byte          // what was withheld
}

// cutAfter cuts the connection once n more bytes went to the device.
func (t *tap) cutAfter(n int64) { t.left.Store(n + 1) }

// withhold keeps the PUBACK of the last publish to topic from the device until release. The
// broker keeps reading, so that what the device does meanwhile is seen: a DISCONNECT, or a
// restart behind a serial line, whose TCP connection stays open.
func (t *tap) withhold(topic string) {
	t.mu.Lock()
	id := t.last[topic].id
	t.mu.Unlock()
	t.writing.Lock()
	defer t.writing.Unlock()
	if t.down.hold == nil {
		t.down.hold = make(map[uint16]bool)
	}
	t.down.hold[id] = true
}

// release sends what was withheld, now or after the packet that is under way.
func (t *tap) release() {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.down.hold = nil
	if len(t.down.head) == 0 && t.down.body == 0 {
		_ = t.pass(t.down.held) // the device may have gone
		t.down.held = nil
	}
}

// Write passes bytes on until the cut.
func (t *tap) Write(p []byte) (int, error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	if err := t.pass(t.down.sift(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (t *tap) pass(p []byte) error {
	left := t.left.Load()
	if int64(len(p)) < left {
		t.left.Add(-int64(len(p)))
		left = 0
	}
	if left == 0 {
		_, err := t.Conn.Write(p)
		return err
	}
	_, _ = t.Conn.Write(p[:left-1])
	_ = t.Conn.Close()
	return net.ErrClosed
}

// sift returns p without the PUBACKs that are withheld, and with those that were released.
func (d *downstream) sift(p []byte) (out []byte) {
	for len(p) > 0 {
		if d.body > 0 {
			n := min(d.body, len(p))
			d.body -= n
			if len(d.head) == 0 {
				out = append(out, p[:n]...)
			} else if d.head = append(d.head, p[:n]...); d.body == 0 {
				d.decide(&out)
			}
			p = p[n:]
			continue
		}
		if d.hold == nil && len(d.head) == 0 {
			out, d.held = append(out, d.held...), nil
		}
		d.head, p = append(d.head, p[0]), p[1:]
		first, length, _, whole, _ := mqtt.Header(d.head) // the broker makes no errors
		if !whole {
			continue
		}
		d.body = length
		if mqtt.Kind(first>>4) != mqtt.PubAck {
			out, d.head = append(out, d.head...), nil
		}
	}
	return out
}

// decide withholds the PUBACK in d.head, or passes it on.
func (d *downstream) decide(out *[]byte) {
	_, _, at, _, _ := mqtt.Header(d.head)
	if d.hold[binary.BigEndian.Uint16(d.head[at:])] {
		out = &d.held
	}
	*out, d.head = append(*out, d.head...), nil
}

// Read passes bytes on and looks at the headers of the packets in them.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.observe(p[:n])
	return n, err
}

func (t *tap) qosOf(topic string) byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last[topic].qos
}

// observe follows MQTT's packets (MQTT 3.1.1 §2.2): it needs a PUBLISH's flags and topic only.
func (t *tap) observe(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(p) > 0 {
		if t.skip > 0 {
			n := min(t.skip, len(p))
			t.skip, p = t.skip-n, p[n:]
			continue
		}
		t.head, p = append(t.head, p[0]), p[1:]
		first, length, taken, ok, err := mqtt.Header(t.head)
		if err != nil {
			t.skip, t.head = math.MaxInt, nil // the broker ends this connection
			return
		}
		if !ok {
			continue
		}
		body := t.head[taken:]
		if mqtt.Kind(first>>4) != mqtt.Publish || length < 2 {
			t.skip, t.head = length-len(body), t.head[:0]
			continue
		}
		if len(body) < 2 {
			continue
		}
		topic := int(body[0])<<8 | int(body[1])
		seen := publish{qos: first >> 1 & 3}
		end := 2 + topic
		if seen.qos > 0 {
			end += 2
		}
		if len(body) < end && len(body) < length {
			continue
		}
		if len(body) == end && seen.qos > 0 {
			seen.id = binary.BigEndian.Uint16(body[2+topic:])
		}
		if t.last == nil {
			t.last = make(map[string]publish)
		}
		t.last[string(body[2:min(2+topic, len(body))])] = seen
		t.skip, t.head = length-len(body), t.head[:0]
	}
}
