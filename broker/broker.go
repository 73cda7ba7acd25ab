package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Config bounds what connections may cost. Zero values mean the defaults named.
type Config struct {
	MaxConnections   int           // admitted at a time; 100,000. Above it, CONNACK 3 / 0x89
	MaxPending       int           // not admitted yet, at a time; 1,024. Above it, accepting waits
	MaxKeepAlive     time.Duration // longest keep-alive granted; 20 min, at most 12 h
	HandshakeTimeout time.Duration // for TLS; 15 s
	ConnectTimeout   time.Duration // from then to a complete CONNECT; 5 s
	WriteTimeout     time.Duration // a connection that takes no byte for so long ends; 30 s
	TakeoverTimeout  time.Duration // for a device's older connection to finish; 15 s. After it, CONNACK 3 / 0x89
}

// maxKeepAlive keeps one and a half times the keep-alive within 16 bits of seconds, in
// which the MQTT server computes it.
const maxKeepAlive = 12 * time.Hour

func (c Config) withDefaults() Config {
	or := func(d *time.Duration, fallback time.Duration) {
		if *d <= 0 {
			*d = fallback
		}
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = 100_000
	}
	if c.MaxPending <= 0 {
		c.MaxPending = 1024
	}
	or(&c.MaxKeepAlive, 20*time.Minute)
	c.MaxKeepAlive = min(max(c.MaxKeepAlive, time.Second), maxKeepAlive)
	or(&c.HandshakeTimeout, 15*time.Second)
	or(&c.ConnectTimeout, 5*time.Second)
	or(&c.WriteTimeout, 30*time.Second)
	or(&c.TakeoverTimeout, 15*time.Second)
	return c
}

// keepAlive is the longest keep-alive granted, in seconds.
func (c Config) keepAlive() uint16 { return uint16(c.MaxKeepAlive / time.Second) }

// Cloud decides who may come in.
type Cloud interface {
	// Admit is asked once per CONNECT, on the connection's own goroutine, before the
	// device is told anything. It may block. An error refuses the connection: Disabled
	// with 5 / 0x8A, Busy and Unavailable with 3 / 0x89, every other with 5 / 0x87.
	// Password is overwritten when Admit returns.
	Admit(ctx context.Context, c Connect) (Session, error)
}

// Connect is a device's claim to be let in.
type Connect struct {
	ID       fleet.DeviceID
	User     string
	Password []byte
	Address  string               // IP without port
	TLS      *tls.ConnectionState // nil without TLS
	Link     *Link                // what is sent before CONNACK goes out right after it
}

// Session is one admitted connection, as the cloud sees it. Its methods but Gateway are
// called one at a time, on the connection's own goroutine.
type Session interface {
	// Begin is called when the device's older connection has ended and its Gone has
	// returned; CONNACK goes out next. It is not called where CONNACK refuses: the older
	// connection would not end, or a newer one came. It must not send more than 32 KiB.
	Begin()

	// Gateway reports whether the device may also use the topics of BLE devices.
	Gateway() bool

	// Receive takes what the device published to one of its topics, or its will; both
	// Name of t and payload may be kept. The device's next packet is read when it
	// returns. nil acknowledges QoS 1. An error ends the connection, in MQTT 5 with a
	// reason by its kind, and acknowledges nothing.
	Receive(ctx context.Context, t wire.Topic, payload []byte) error

	// Gone is called exactly once for every Session that Admit returned, when the
	// connection has ended and nothing is written to it any more.
	Gone()
}

// Broker serves MQTT connections. Its methods may be called concurrently.
type Broker struct {
	cfg   Config
	cloud Cloud
	log   *slog.Logger
	mqtt  *mqtt.Server
	count counters
	slots chan struct{} // one element per connection not admitted yet

	base   context.Context // of every call to the cloud; ends when Shutdown gives up waiting
	cancel context.CancelFunc
	served sync.WaitGroup // connections and listeners

	mu        sync.Mutex
	stopping  chan struct{} // closed by Shutdown
	listeners map[io.Closer]struct{}
	links     map[*Link]struct{} // all that are served
	seats     map[fleet.DeviceID]seat
}

// New returns a Broker that listens nowhere yet.
func New(cfg Config, cloud Cloud, log *slog.Logger) *Broker {
	cfg = cfg.withDefaults()
	b := &Broker{
		cfg: cfg, cloud: cloud, log: log,
		slots:     make(chan struct{}, cfg.MaxPending),
		stopping:  make(chan struct{}),
		listeners: make(map[io.Closer]struct{}),
		links:     make(map[*Link]struct{}),
		seats:     make(map[fleet.DeviceID]seat),
	}
	b.base, b.cancel = context.WithCancel(context.Background())
	b.mqtt = mqtt.New(&mqtt.Options{
		Capabilities:            capabilities(),
		ClientNetReadBufferSize: 512,
		Logger:                  slog.New(slog.DiscardHandler), // it would log payloads
	})
	if err := b.mqtt.AddHook(&guard{broker: b}, nil); err != nil {
		panic(err) // its Init is empty
	}
	return b
}

// capabilities closes everything that is not used.
func capabilities() *mqtt.Capabilities {
	return &mqtt.Capabilities{
		MaximumClients:             math.MaxInt64, // bounded here, not there
		MaximumClientWritesPending: 1,             // nothing is ever queued there
		MaximumPacketSize:          wire.MaxPacket,
		ReceiveMaximum:             64, // more than one is never in progress
		MaximumInflight:            1,
		MinimumProtocolVersion:     mqtt311,
		MaximumQos:                 1,
		Compatibilities:            mqtt.Compatibilities{NoInheritedPropertiesOnAck: true},
	}
}

// Attach serves one connection on the calling goroutine until it has ended, its
// session's Gone included.
func (b *Broker) Attach(conn net.Conn) {
	if !b.room() {
		_ = conn.Close()
		return
	}
	b.attach(conn)
}

// attach is Attach for a connection that has a slot.
func (b *Broker) attach(conn net.Conn) {
	steady := newSteady(conn, b.cfg.WriteTimeout)
	b.serve(steady, steady, nil)
}

// serve takes over one of the slots. transport is steady itself or runs over it.
func (b *Broker) serve(transport net.Conn, steady *steady, state *tls.ConnectionState) {
	l := &Link{
		broker: b, transport: transport, steady: steady, tls: state,
		address: address(transport.RemoteAddr()),
		pending: true,
		closed:  make(chan struct{}),
		token:   make(chan struct{}, 1),
	}
	if transport == net.Conn(steady) {
		l.tcp, _ = steady.Conn.(*net.TCPConn)
	}
	b.count.pending.Add(1)
	if !b.enter(l) {
		b.admitted(l)
		_ = transport.Close()
		return
	}
	defer b.exit(l)
	err := l.shakeHands()
	if err == nil {
		_ = transport.SetReadDeadline(time.Now().Add(b.cfg.ConnectTimeout)) // a closed one fails at once
		err = b.establish(l)
	}
	b.finish(l, err)
}

// shakeHands runs TLS where there is any, before MQTT allocates anything.
func (l *Link) shakeHands() error {
	conn, ok := l.transport.(*tls.Conn)
	if !ok {
		return nil
	}
	_ = conn.SetReadDeadline(time.Now().Add(l.broker.cfg.HandshakeTimeout)) // a closed one fails at once
	if err := conn.HandshakeContext(l.broker.base); err != nil {
		return err
	}
	state := conn.ConnectionState()
	l.tls = &state
	return nil
}

// enter adds l to what Shutdown ends; false when that has begun.
func (b *Broker) enter(l *Link) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.stopping:
		return false
	default:
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

// admitted gives back l's slot.
func (b *Broker) admitted(l *Link) {
	if l.pending {
		l.pending = false
		b.count.pending.Add(-1)
		<-b.slots
	}
}

// establish runs the MQTT server on l until it gives the connection up. A panic, which
// it would let kill the process, ends the one connection.
func (b *Broker) establish(l *Link) (err error) {
	defer func() {
		if r := recover(); r != nil {
			l.panicked(r, debug.Stack())
			l.cause = codeUnspecified
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return b.mqtt.EstablishConnection("", (*conn)(l))
}

// finish ends a connection that the MQTT server has given up with err: everything that
// may write or wait first, then the session, then the seat.
func (b *Broker) finish(l *Link, err error) {
	code := l.cause
	if code == codeNone {
		code = l.codeOf(err)
	}
	l.finish(code)
	l.senders.Wait()
	b.admitted(l)
	if l.client != nil {
		b.forget(l)
	}
	if l.session == nil {
		return
	}
	defer b.leave(l)
	if l.seated {
		b.count.connections.Add(-1)
		b.count.ended[l.why].Add(1)
	}
	b.log.Debug("connection ended", "device", l.id, "code", l.why, "err", err)
	defer func() {
		if r := recover(); r != nil {
			l.panicked(r, debug.Stack())
		}
	}()
	defer l.session.Gone()
	l.fireWill()
}

// forget removes what the MQTT server keeps when CONNACK could not be written or a panic
// came. Only l, which has the seat, can be there under its id.
func (b *Broker) forget(l *Link) {
	if cl, ok := b.mqtt.Clients.Get(l.client.ID); ok && cl == l.client {
		b.mqtt.Clients.Delete(cl.ID)
	}
}

// codeOf is what to tell a device whose connection the MQTT server gave up with err.
func (l *Link) codeOf(err error) byte {
	var code packets.Code
	switch {
	case !l.open:
		return codeNone
	case errors.As(err, &code) && code.Code >= codeUnspecified:
		return code.Code
	case errors.Is(err, os.ErrDeadlineExceeded):
		return codeKeepAlive
	}
	return codeNone
}

// finish is end on the reader's goroutine: there is time to let the last packet arrive.
func (l *Link) finish(code byte) {
	if !l.shut(code) {
		return
	}
	l.sayGoodbye(code)
	if l.refused || code != codeNone && code != codeKeepAlive {
		l.linger()
	}
	_ = l.transport.Close()
}

const lingering = 500 * time.Millisecond

// linger waits for the device to close, half a second at most. Closing a socket with
// unread bytes resets it, and the device would lose what was written last.
func (l *Link) linger() {
	half, ok := l.transport.(interface{ CloseWrite() error })
	if l.tcp != nil {
		half, ok = l.tcp, true
	}
	if !ok {
		return
	}
	if half.CloseWrite() != nil || l.transport.SetReadDeadline(time.Now().Add(lingering)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, l.transport, 2*wire.MaxPacket) // whatever it says, the end follows
}

// fireWill hands the will to the session, unless the device took leave or it is the
// broker that stops.
func (l *Link) fireWill() {
	select {
	case <-l.broker.stopping:
		return
	default:
	}
	if l.will == nil || !l.open {
		return
	}
	t, err := wire.ParseTopic(l.will.topic)
	if err == nil {
		err = l.session.Receive(l.broker.base, t, l.will.payload)
	}
	if err != nil {
		l.broker.log.Debug("will not accepted", "device", l.id, "err", err)
	}
}

func (l *Link) panicked(r any, stack []byte) {
	l.broker.count.panics.Add(1)
	l.broker.log.Error("panic on a connection", "device", l.id, "address", l.address, "err", r, "stack", string(stack))
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

// stop closes the listeners and ends the connections, many at a time: a farewell to a
// stalled one takes a moment.
func (b *Broker) stop() {
	b.mu.Lock()
	select {
	case <-b.stopping:
		b.mu.Unlock()
		return
	default:
	}
	close(b.stopping)
	for ln := range b.listeners {
		_ = ln.Close() // it only listens
	}
	links := make(chan *Link, len(b.links))
	for l := range b.links {
		links <- l
	}
	b.mu.Unlock()
	close(links)

	const together = 64
	var enders sync.WaitGroup
	for range together {
		enders.Go(func() {
			for l := range links {
				l.end(codeShuttingDown)
			}
		})
	}
	enders.Wait()
}

// address is a without its port.
func address(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}
