package broker

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

const (
	// maxWaiting bounds the packets that wait behind a write in progress, in bytes. A
	// Send that finds no room waits itself; nothing is ever dropped.
	maxWaiting = 32 << 10

	// answerRoom is kept for the answers of the reader (PUBACK, PINGRESP ...) beyond
	// that, so that Sends never keep it from reading.
	answerRoom = 8 << 10

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
	version   byte          // of MQTT
	maxPacket uint32        // bytes the MQTT 5 client takes, 0: no limit
	expiry    bool          // the client asked for a session that lasts
	pending   bool          // it counts as not admitted
	seated    bool          // it holds its device's seat
	refused   bool          // a CONNACK other than 0 was written
	open      bool          // CONNACK 0 was written
	silence   time.Duration // after which the device is gone: one and a half times its keep-alive
	session   Session
	will      *will

	turn    chan struct{} // closed when the seat is l's; nil unless it had to wait
	closed  chan struct{} // closed when the link has ended
	token   chan struct{} // holds one token: who has it writes; the reader has it until CONNACK 0
	senders sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	why     byte   // code it ended with
	waiting []byte // whole packets that go out when the token comes back
	pumping bool   // a goroutine sees to that
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
	if err := l.write(p, maxWaiting); err != nil {
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

// answer sends one whole packet of the reader's. An error has ended the link, which the
// reader finds out by itself.
func (l *Link) answer(p []byte) { _ = l.write(p, maxWaiting+answerRoom) }

// write sends one whole packet: at once when nothing else is being written, else behind
// what is; it waits while room bytes do so already.
func (l *Link) write(p []byte, room int) error {
	holds := l.grab()
	if holds && !l.crowded() {
		err := l.writeNow(p)
		l.release()
		return err
	}
	if queued, err := l.queue(p, room); queued || err != nil {
		if holds || l.grab() {
			l.release() // and have it written
		}
		return err
	}
	if !holds {
		select {
		case <-l.token:
		case <-l.closed:
			return errClosed
		}
	}
	defer l.release()
	if err := l.flush(); err != nil {
		return err
	}
	return l.writeNow(p)
}

// grab takes the token if it is there.
func (l *Link) grab() bool {
	select {
	case <-l.token:
		return true
	default:
		return false
	}
}

// crowded reports whether packets wait.
func (l *Link) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0
}

// queue puts p behind the write in progress; false when there is no room.
func (l *Link) queue(p []byte, room int) (queued bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false, errClosed
	}
	if len(l.waiting)+len(p) > room {
		return false, nil
	}
	l.waiting = append(l.waiting, p...)
	return true, nil
}

// release gives the token back. What came to wait meanwhile goes out on a goroutine of
// its own: who releases may be the reader, which has other things to do.
func (l *Link) release() {
	l.token <- struct{}{}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) > 0 && !l.ended && !l.pumping {
		l.pumping = true
		l.senders.Go(l.pump)
	}
}

// pump writes what waits until nothing does.
func (l *Link) pump() {
	for {
		select {
		case <-l.token:
		case <-l.closed:
			return
		}
		_ = l.flush() // an error has ended the link
		l.token <- struct{}{}
		l.mu.Lock()
		l.pumping = len(l.waiting) > 0 && !l.ended
		more := l.pumping
		l.mu.Unlock()
		if !more {
			return
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
