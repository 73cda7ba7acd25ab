package broker

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/broker/chunkio"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/proxy"
)

var errCrowded = errors.New("too many connections of this address are not admitted")

// Broker serves MQTT connections. Its methods may be called concurrently.
type Broker struct {
	cfg    Config
	cloud  Cloud
	began  time.Time
	log    *slog.Logger
	count  counters
	places *places // of connections not admitted yet
	pacer  *pacer  // of connections of one device

	refusals *rate.Limiter // of log lines about refused connections: a flood must not fill the log

	base   context.Context // of every call to the cloud; ends when Shutdown gives up waiting
	cancel context.CancelFunc
	served sync.WaitGroup // connections and listeners

	mu        sync.Mutex
	stopping  chan struct{} // closed by Shutdown
	draining  bool          // Drain has begun
	listeners map[io.Closer]struct{}
	links     map[*Link]struct{} // all that are served
	seats     map[fleet.DeviceID]seat
}

// New returns a Broker that listens nowhere yet.
func New(cfg Config, cloud Cloud, log *slog.Logger) *Broker {
	cfg = cfg.withDefaults()
	b := &Broker{
		cfg: cfg, cloud: cloud, log: log, began: time.Now(),
		places:    newPlaces(cfg.MaxPending, cfg.MaxPendingPer),
		pacer:     newPacer(cfg),
		refusals:  rate.NewLimiter(10, 100),
		stopping:  make(chan struct{}),
		listeners: make(map[io.Closer]struct{}),
		links:     make(map[*Link]struct{}),
		seats:     make(map[fleet.DeviceID]seat),
	}
	b.base, b.cancel = context.WithCancel(context.Background())
	return b
}

// Attach serves one connection on the calling goroutine until it has ended, its
// session's Gone included.
func (b *Broker) Attach(conn net.Conn) {
	if p := b.room(conn); p != nil {
		b.attach(conn, p)
	}
}

// attach serves a connection that has a place until it has ended.
func (b *Broker) attach(conn net.Conn, p *place) {
	growStack(0)
	c := chunkio.NewConn(conn, b.cfg.WriteTimeout)
	b.serve(c, c, p)
}

// growStack has the runtime grow the goroutine's stack at once to the 16 KiB that a handshake takes. Else
// it grows in steps, each of which copies all frames of a deep call: a tenth of a handshake's processor
// time. The garbage collector takes back what an idle connection does not use, and few are open that have not
// been admitted (places).
//
//go:noinline
func growStack(i int) byte {
	var room [12 << 10]byte
	return room[i]
}

// serve takes over p. transport is conn itself or runs over it.
func (b *Broker) serve(transport net.Conn, conn *chunkio.Conn, p *place) {
	l := &Link{
		broker: b, transport: transport, conn: conn,
		address: p.address,
		place:   p,
	}
	l.out = chunkio.NewWriter(transport, conn, owner{l}, &b.count.sent)
	b.count.pending.Add(1)
	if !b.enter(l) {
		b.admitted(l)
		_ = transport.Close()
		return
	}
	defer b.exit(l)
	cause, err := codeNone, l.introduce()
	if err == nil {
		err = l.shakeHands()
	}
	if err == nil {
		cause, err = l.speak()
	}
	b.finish(l, cause, err)
}

// introduce reads the PROXY protocol header of a connection that comes from a proxy. Its client
// is the peer from then on. The proxy's own connections, which check the server's health, have none.
func (l *Link) introduce() error {
	if !l.place.proxied {
		return nil
	}
	b := l.broker
	_ = l.conn.SetReadDeadline(time.Now().Add(b.cfg.FirstByteTimeout)) // a closed one fails at once
	client, err := proxy.ReadHeader(l.conn)
	if err != nil {
		if errors.Is(err, proxy.ErrHeader) && b.refusals.Allow() {
			b.log.Warn("connection closed: mqtt.proxy_from lists its address, and it did not begin with a PROXY protocol header",
				"address", l.address, "err", err)
		}
		return err
	}
	if !client.IsValid() {
		return nil
	}
	l.address = client.String()
	if !b.wait(func() verdict { return b.places.move(l.place, l.address) }) {
		return errCrowded
	}
	return nil
}

// handshakeStack is the stack a TLS handshake takes, in bytes.
const handshakeStack = 12 << 10

// shakeHands runs the TLS handshake, if any, before MQTT allocates anything.
func (l *Link) shakeHands() error {
	conn, ok := l.transport.(*tls.Conn)
	if !ok {
		return nil
	}
	if below, ok := conn.NetConn().(*firstByte); ok {
		begun := time.Now()
		_ = conn.SetReadDeadline(begun.Add(l.broker.cfg.FirstByteTimeout)) // a closed one fails at once
		below.heard = func() {
			l.broker.places.reach(l.place, speaking)
			_ = conn.SetReadDeadline(begun.Add(l.broker.cfg.HandshakeTimeout))
		}
	}
	reserveStack()
	return conn.Handshake() // Shutdown closes the connection: no context, and no goroutine to watch it
}

// reserveStack has the goroutine's stack grow at once to what a TLS handshake takes. Grown on
// demand it is copied three times, each time with more on it: 4 % of a handshake.
//
//go:noinline
func reserveStack() {
	var room [handshakeStack]byte
	runtime.KeepAlive(&room)
}

// enter adds l to what Shutdown ends; false when that, or Drain, has begun.
func (b *Broker) enter(l *Link) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed() {
		return false
	}
	b.links[l] = struct{}{}
	b.served.Add(1)
	return true
}

func (b *Broker) exit(l *Link) {
	b.mu.Lock()
	delete(b.links, l)
	b.mu.Unlock()
	b.served.Done()
}

// admitted gives back l's place.
func (b *Broker) admitted(l *Link) {
	if l.place != nil {
		b.count.pending.Add(-1)
		b.places.leave(l.place)
		l.place = nil
	}
}

// speak is MQTT, from CONNECT to the end. A panic ends the one connection.
func (l *Link) speak() (cause byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			l.panicked(r, debug.Stack())
			cause, err = codeUnspecified, fmt.Errorf("panic: %v", r)
		}
	}()
	in := bufio.NewReaderSize(l.transport, readBuffer)
	begun := time.Now()
	if l.transport == net.Conn(l.conn) { // with TLS and WebSocket it has spoken
		_ = l.transport.SetReadDeadline(begun.Add(l.broker.cfg.FirstByteTimeout)) // a closed one fails at once
		if _, err := in.Peek(1); err != nil {
			return codeNone, err
		}
	}
	l.broker.places.reach(l.place, speaking)
	_ = l.transport.SetReadDeadline(begun.Add(l.broker.cfg.ConnectTimeout))
	if err := l.connect(in); err != nil {
		return codeNone, err
	}
	return l.converse(in)
}

// Shutdown stops listening, ends all connections (MQTT 5: 0x8B) and waits until they
// have finished, every Gone included. When ctx ends first, the contexts of calls to the
// cloud end and ctx's error is returned; connections may then still be finishing.
func (b *Broker) Shutdown(ctx context.Context) error {
	defer b.cancel()
	b.stop()
	finished := make(chan struct{})
	go func() {
		b.served.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop closes the listeners and ends the connections.
func (b *Broker) stop() {
	b.mu.Lock()
	select {
	case <-b.stopping:
		b.mu.Unlock()
		return
	default:
	}
	close(b.stopping)
	listeners := b.unlisten()
	links := slices.Collect(maps.Keys(b.links))
	b.mu.Unlock()
	closeAll(listeners)
	endAll(links, codeShuttingDown)
}

// closed reports whether no more connections are taken. The caller holds mu.
func (b *Broker) closed() bool {
	select {
	case <-b.stopping:
		return true
	default:
		return b.draining
	}
}

// address is a without its port.
func address(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}
