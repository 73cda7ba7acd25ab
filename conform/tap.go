package conform

import (
	"math"
	"net"
	"sync"
	"sync/atomic"

	"github.com/muster-iot/muster/wire/mqtt"
)

// tap is a connection under observation: it remembers the QoS of what the device publishes
// and cuts the connection after a number of bytes to the device.
type tap struct {
	net.Conn
	left atomic.Int64 // bytes to the device before the cut, plus 1; 0: no cut

	mu   sync.Mutex
	head []byte          // of the packet being read: fixed header and topic; guarded by mu
	skip int             // bytes of it still to come that don't matter; guarded by mu
	qos  map[string]byte // of the last publish, by topic; guarded by mu
}

// cutAfter cuts the connection once n more bytes went to the device.
func (t *tap) cutAfter(n int64) { t.left.Store(n + 1) }

// Write passes bytes on until the cut.
func (t *tap) Write(p []byte) (int, error) {
	left := t.left.Load()
	if left == 0 {
		return t.Conn.Write(p)
	}
	if int64(len(p)) < left {
		t.left.Add(-int64(len(p)))
		return t.Conn.Write(p)
	}
	n, _ := t.Conn.Write(p[:left-1])
	_ = t.Conn.Close()
	return n, net.ErrClosed
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
	return t.qos[topic]
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
		if len(body) < 2+topic && len(body) < length {
			continue
		}
		if t.qos == nil {
			t.qos = make(map[string]byte)
		}
		t.qos[string(body[2:])] = first >> 1 & 3
		t.skip, t.head = length-len(body), t.head[:0]
	}
}
