package broker

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/broker/chunkio"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// farewell bounds the write of a last packet (DISCONNECT, TLS close).
const farewell = 250 * time.Millisecond

// Link is one device's connection, as the cloud writes to it. All methods may be called
// concurrently. The zero value is not usable.
type Link struct {
	broker    *Broker
	transport net.Conn        // what MQTT runs on: conn, or TLS or WebSocket over it
	conn      *chunkio.Conn   // the lowest layer
	out       *chunkio.Writer // the one writer of transport
	address   string

	// The reader's own: written before the session begins, read by others after.
	id        fleet.DeviceID
	version   byte          // of MQTT; written under mu, since Shutdown may end l at any moment
	maxPacket uint32        // bytes the MQTT 5 client takes, 0: no limit
	expiry    bool          // the client asked for a session that lasts
	place     *place        // while it is not admitted
	seated    bool          // it holds its device's seat
	refused   bool          // a CONNACK other than 0 was written
	open      bool          // CONNACK 0 was written
	silence   time.Duration // after which the device is gone: one and a half times its keep-alive
	session   Session
	will      *will

	turn    chan struct{} // closed when the seat is l's; nil unless it had to wait
	pausing bool          // it connects too often and waits for a pause to end; guarded by Broker.mu

	heard  atomic.Int64 // when the last packet came, ns after Broker.began
	others limit.Meter  // of packets that no other limit counts

	mu  sync.Mutex // locked before out's own
	why byte       // code the link ended with
}

// ChunkStream is how chunks of firmware are sent to one device over a Link.
type ChunkStream = chunkio.Stream

// Send writes one QoS 0 PUBLISH to the device. nil means it is on its way, behind at most
// 32 KiB of other packets. While those wait already, Send blocks as long as the connection
// takes bytes. It returns fleet.Unavailable once the link has ended and
// fleet.TooLarge when the client takes no packet of that size.
func (l *Link) Send(t wire.Topic, payload []byte) error {
	topic := t.String()
	p := make([]byte, 0, mqtt.MaxPublishHead+len(topic)+len(payload))
	p = append(mqtt.AppendPublishHead(p, l.version, topic, len(payload)), payload...)
	if !l.takes(len(p)) {
		l.broker.count.ignored[ignoredLarge].Add(1)
		return fleet.Errorf(fleet.TooLarge, "%d bytes, the client takes %d", len(p), l.maxPacket)
	}
	if err := l.out.Write(p); err != nil {
		return err
	}
	l.broker.count.out.Add(1)
	return nil
}

// Chunks returns the stream of chunks to t's device, the link's own or one behind it; t is
// that device's chunk topic. It may be called from Admit on. All streams of one topic share
// what is queued.
func (l *Link) Chunks(t wire.Topic) *ChunkStream {
	topic, most, head := t.String(), 0, publishHead311
	if l.version == mqtt.V5 {
		head = publishHead5
	}
	if l.maxPacket > 0 {
		most = max(1, int(l.maxPacket)-mqtt.MaxPublishHead-len(topic))
	}
	return l.out.Stream(topic, most, head)
}

// What precedes a chunk, in either version.
func publishHead311(dst []byte, topic string, size int) []byte {
	return mqtt.AppendPublishHead(dst, mqtt.V311, topic, size)
}

func publishHead5(dst []byte, topic string, size int) []byte {
	return mqtt.AppendPublishHead(dst, mqtt.V5, topic, size)
}

// Heard returns when the device's last packet came.
func (l *Link) Heard() time.Time { return time.Now().Add(-l.quiet()) }

// quiet is how long ago the device's last packet came, whatever the machine's clock did since.
func (l *Link) quiet() time.Duration {
	return time.Since(l.broker.began) - time.Duration(l.heard.Load())
}

// hear notes that a packet comes now.
func (l *Link) hear(now time.Time) { l.heard.Store(int64(now.Sub(l.broker.began))) }

// Close ends the connection. An MQTT 5 client gets a DISCONNECT with a reason for kind,
// unless that would have to wait behind a write in progress; an MQTT 3.1.1 client gets
// none. It blocks for a quarter of a second at most; the session's Gone follows
// on the link's own goroutine.
func (l *Link) Close(kind fleet.Kind) { l.end(disconnectCode(kind)) }

func (l *Link) takes(size int) bool { return l.maxPacket == 0 || uint32(size) <= l.maxPacket }

// end ends the link once. With code 0 no DISCONNECT is sent.
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
	if !l.out.End() {
		return false
	}
	l.why = code
	return true
}

// speaks notes the version of MQTT that the client speaks.
func (l *Link) speaks(version byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version = version
}

// sayGoodbye writes a DISCONNECT, unless the link is before CONNACK or in the middle of
// another packet.
func (l *Link) sayGoodbye(code byte) {
	l.conn.SetWriteTimeout(farewell)
	l.mu.Lock()
	version := l.version
	l.mu.Unlock()
	var last []byte
	if version == mqtt.V5 && code != codeNone {
		last = disconnect(code)
	}
	l.out.Finish(last)
}

// answer sends one whole packet of the reader's. An error has ended the link, which the
// reader notices by itself.
func (l *Link) answer(p []byte) { _ = l.out.Answer(p) }

// owner makes a Link a chunkio.Owner.
type owner struct{ *Link }

// WriteFailed implements chunkio.Owner.
func (l owner) WriteFailed() {
	if l.shut(codeNone) {
		_ = l.transport.Close()
	}
}

// SourceFailed implements chunkio.Owner.
func (l owner) SourceFailed(topic string, err error) {
	l.broker.log.Warn("chunks could not be read", "device", l.id, "topic", topic, "err", err)
}

// Panicked implements chunkio.Owner.
func (l owner) Panicked(v any, stack []byte) {
	l.panicked(v, stack)
	l.end(codeUnspecified)
}
