package broker

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

const (
	// maxWaiting bounds the packets that wait behind a write in progress, in bytes. A
	// Send that finds no room waits itself; nothing is ever dropped.
	maxWaiting = 32 << 10

	// farewell is how long a last packet (DISCONNECT, TLS close) may take to leave.
	farewell = 250 * time.Millisecond
)

var errClosed = fleet.Errorf(fleet.Unavailable, "the connection has ended")

// Link is one device's connection, as the cloud writes to it. All methods may be called
// concurrently. The zero value is not usable.
type Link struct {
	broker    *Broker
	transport net.Conn     // what MQTT is spoken on: steady, or TLS or WebSocket over it
	steady    *steady      // the lowest layer
	tcp       *net.TCPConn // below steady when that is the transport itself; else nil: no vectored writes
	address   string

	// The reader's own: written before the session begins, read by others after.
	tls       *tls.ConnectionState // until admission
	id        fleet.DeviceID
	version   byte   // of MQTT
	maxPacket uint32 // bytes the MQTT 5 client takes, 0: no limit
	expiry    bool   // the client asked for a session that lasts
	pending   bool   // it counts as not admitted
	seated    bool   // it holds its device's seat
	refused   bool   // a CONNACK other than 0 was written
	open      bool   // CONNACK 0 was written
	cause     byte   // why the reader ends it
	session   Session
	will      *will
	client    *mqtt.Client

	turn    chan struct{} // closed when the seat is l's; nil unless it had to wait
	closed  chan struct{} // closed when the link has ended
	token   chan struct{} // holds one token: who has it writes; the reader has it until CONNACK 0
	senders sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	why     byte   // code it ended with
	waiting []byte // whole packets that go out when the token comes back
	chunks  sending
}

// Send writes one QoS 0 PUBLISH down. nil means it is on its way, behind at most
// 32 KiB of other packets; where those wait already, Send waits for as long as the
// connection takes bytes. It returns fleet.Unavailable once the link has ended and
// fleet.TooLarge when the client has said that it takes no packet of that size.
func (l *Link) Send(t wire.Topic, payload []byte) error {
	topic := t.String()
	p := make([]byte, 0, maxPublishHead+len(topic)+len(payload))
	p = append(appendPublishHead(p, l.version, topic, len(payload)), payload...)
	if !l.takes(len(p)) {
		l.broker.count.ignored[ignoredLarge].Add(1)
		return fleet.Errorf(fleet.TooLarge, "%d bytes, the client takes %d", len(p), l.maxPacket)
	}
	if err := l.write(p); err != nil {
		return err
	}
	l.broker.count.out.Add(1)
	return nil
}

// Close ends the connection. An MQTT 5 client is told a reason that fits kind, unless
// that would have to wait behind a write in progress; an MQTT 3.1.1 client is never sent
// a DISCONNECT. It blocks for a quarter of a second at most; the session's Gone follows
// on the link's own goroutine.
func (l *Link) Close(kind fleet.Kind) { l.end(disconnectCode(kind)) }

func (l *Link) takes(size int) bool { return l.maxPacket == 0 || uint32(size) <= l.maxPacket }

// end ends the link once; code 0 says nothing to the client.
func (l *Link) end(code byte) {
	if !l.shut(code) {
		return
	}
	l.sayGoodbye(code)
	_ = l.transport.Close()
}

// shut marks the link ended and wakes everything that waits on it.
func (l *Link) shut(code byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.ended, l.why = true, code
	l.chunks.interrupt()
	close(l.closed)
	return true
}

func (l *Link) sayGoodbye(code byte) {
	l.steady.patience.Store(int64(farewell))
	select {
	case <-l.token: // never given back
		if l.version == mqtt5 && code != codeNone {
			_ = l.writeNow(disconnect(code)) // the connection ends either way
		}
	default: // before CONNACK, or in the middle of another packet
	}
}

// write sends one whole packet: at once when nothing else is being written, else behind
// what is.
func (l *Link) write(p []byte) error {
	select {
	case <-l.token:
		return l.writeAndRelease(p)
	default:
	}
	if err, queued := l.queue(p); queued || err != nil {
		return err
	}
	select {
	case <-l.token:
		return l.writeAndRelease(p)
	case <-l.closed:
		return errClosed
	}
}

// queue puts p behind the write in progress; false when there is no room.
func (l *Link) queue(p []byte) (err error, queued bool) {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return errClosed, false
	}
	if len(l.waiting)+len(p) > maxWaiting {
		l.mu.Unlock()
		return nil, false
	}
	l.waiting = append(l.waiting, p...)
	l.mu.Unlock()
	select {
	case <-l.token: // came back in between: nobody else would write p
		return l.release(), true
	default:
		return nil, true
	}
}

// writeAndRelease writes p behind what waits already. The caller has the token.
func (l *Link) writeAndRelease(p []byte) error {
	err := l.flush()
	if err == nil {
		err = l.writeNow(p)
	}
	if released := l.release(); err == nil {
		err = released
	}
	return err
}

// release gives the token back, after writing what came to wait meanwhile.
func (l *Link) release() error {
	for {
		err := l.flush()
		l.token <- struct{}{}
		l.mu.Lock()
		more := len(l.waiting) > 0 && !l.ended
		l.mu.Unlock()
		if !more || err != nil {
			return err
		}
		select {
		case <-l.token:
		default:
			return nil // whoever has it now writes the rest
		}
	}
}

// flush writes what waits. The caller has the token.
func (l *Link) flush() error {
	l.mu.Lock()
	p := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	if len(p) == 0 {
		return nil
	}
	return l.writeNow(p)
}

// writeNow hands p to the transport. The caller has the token. An error ends the link.
func (l *Link) writeNow(p []byte) error {
	if _, err := l.transport.Write(p); err != nil {
		return l.broken()
	}
	l.broker.count.bytes.Add(uint64(len(p)))
	return nil
}

// broken ends the link after a write failed: the device may have half a packet.
func (l *Link) broken() error {
	if l.shut(codeNone) {
		_ = l.transport.Close()
	}
	return errClosed
}
