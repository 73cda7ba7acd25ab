package conform

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/muster-iot/muster/broker"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Config defines what to test, and how patiently. Zero fields take the defaults.
type Config struct {
	Addr     string         // where to listen; default 127.0.0.1:1883
	TLS      *tls.Config    // nil: plain TCP
	Device   fleet.DeviceID // the device under test; "": the first that connects
	Secret   string         // its password; "": any
	Image    []byte         // what Offers of a whole update carry; nil: made up, for firmware that stores anything
	Version  fleet.Version  // of Image; default: 1 above what the device runs
	Patience float64        // multiplies how long the bench waits for the device; default 1
	Slow     bool           // also run the cases that take more than a minute
	Only     string         // run only the cases whose name begins with this
	Log      *slog.Logger   // of the broker; nil: discarded
}

// events are what the device did, bounded: a device that floods the bench waits.
const maxEvents = 4096

// Bench is a test bench for one device. New opens it, Run uses it once, Close ends it.
type Bench struct {
	config   Config
	broker   *broker.Broker
	listener net.Listener
	accepted sync.WaitGroup
	events   chan event

	mu      sync.Mutex
	device  fleet.DeviceID // under test; guarded by mu, as all below
	refuse  int            // connections still to be refused
	line    *line          // the device's connection, nil without one
	tap     *tap           // of the connection accepted last
	left    *event         // the last Hello, while it has no answer
	hellos  float64        // the device sent beyond its rate, at helloAt
	helloAt time.Time
	hold    wire.ReportState // PUBACKs of such Reports are withheld; 0: none
}

// event is one thing the device did.
type event struct {
	at      time.Time
	line    *line
	kind    eventKind
	topic   wire.Topic
	payload []byte
	qos     byte
}

type eventKind uint8

const (
	connected eventKind = iota
	published
	disconnected
	refused
)

// New listens; the device may connect from now on.
func New(config Config) (*Bench, error) {
	if config.Addr == "" {
		config.Addr = "127.0.0.1:1883"
	}
	if config.Patience <= 0 {
		config.Patience = 1
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	listener, err := net.Listen("tcp", config.Addr)
	if err != nil {
		return nil, err
	}
	b := &Bench{config: config, listener: listener, device: config.Device, events: make(chan event, maxEvents)}
	b.broker = broker.New(broker.Config{MaxConnections: 16, MaxPending: 16, ConnectBurst: 10_000, RivalBurst: 10_000, MaxKeepAlive: 20 * time.Minute}, b, config.Log)
	b.accepted.Go(b.accept)
	return b, nil
}

// Addr is where the device has to connect.
func (b *Bench) Addr() net.Addr { return b.listener.Addr() }

// Close ends every connection and waits for them.
func (b *Bench) Close(ctx context.Context) error {
	err := b.listener.Close()
	b.letGo()
	err = errors.Join(err, b.broker.Shutdown(ctx))
	b.accepted.Wait()
	return err
}

func (b *Bench) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.accepted.Go(func() {
			if b.config.TLS != nil {
				secure := tls.Server(conn, b.config.TLS)
				_ = secure.SetDeadline(time.Now().Add(15 * time.Second))
				if secure.Handshake() != nil {
					_ = conn.Close()
					return
				}
				_ = secure.SetDeadline(time.Time{})
				conn = secure
			}
			t := &tap{Conn: conn}
			b.mu.Lock()
			b.tap = t
			b.mu.Unlock()
			b.broker.Attach(t)
		})
	}
}

// Admit lets the device under test in. It implements broker.Cloud.
func (b *Bench) Admit(_ context.Context, c broker.Connect) (broker.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.device == "" {
		b.device = c.ID
	}
	if c.ID != b.device {
		return nil, fmt.Errorf("%w: the bench tests %s", fleet.Denied, b.device)
	}
	if b.config.Secret != "" && subtle.ConstantTimeCompare(c.Password, []byte(b.config.Secret)) != 1 {
		return nil, fmt.Errorf("%w: wrong secret", fleet.Denied)
	}
	l := &line{bench: b, device: c.ID, link: c.Link, user: c.User, tap: b.tap}
	if b.refuse > 0 {
		b.refuse--
		b.note(event{line: l, kind: refused})
		return nil, fmt.Errorf("%w: refused on purpose", fleet.Busy)
	}
	return l, nil
}

// note records an event. It drops the oldest when nobody reads: a case ends long before.
func (b *Bench) note(e event) {
	e.at = time.Now()
	for {
		select {
		case b.events <- e:
			return
		default:
		}
		select {
		case <-b.events:
		default:
		}
	}
}

// sentHello counts a Hello against the rate that the protocol allows.
func (b *Bench) sentHello() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.hellos = max(b.hellos-now.Sub(b.helloAt).Seconds()/wire.HelloInterval.Seconds(), 0) + 1
	b.helloAt = now
}

// helloDebt is how long a device that keeps to the rate of Hellos waits before the next one: a
// burst, one of them kept for the next connection, then one per 10 s (docs/protocol.md#limits).
func (b *Bench) helloDebt() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.hellos - time.Since(b.helloAt).Seconds()/wire.HelloInterval.Seconds()
	return time.Duration(max(now+2-wire.HelloBurst, 0) * float64(wire.HelloInterval))
}

// withhold keeps the PUBACKs of Reports of this state from the device until letGo.
func (b *Bench) withhold(state wire.ReportState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold = state
}

func (b *Bench) letGo() {
	b.mu.Lock()
	b.hold = 0
	l := b.line
	b.mu.Unlock()
	if l != nil {
		l.tap.release()
	}
}

// line is one connection of the device. It implements broker.Session.
type line struct {
	bench  *Bench
	device fleet.DeviceID
	link   *broker.Link
	user   string
	tap    *tap
}

// ID returns the client id: the bench has no teams.
func (l *line) ID() fleet.DeviceID { return l.device }

// Begin notes that the device is connected.
func (l *line) Begin() {
	l.bench.mu.Lock()
	l.bench.line = l
	l.bench.mu.Unlock()
	l.bench.note(event{line: l, kind: connected})
}

// Rival does nothing: cases take connections over on purpose.
func (l *line) Rival(string) {}

// Gateway reports false: the bench tests one device.
func (l *line) Gateway() bool { return false }

// Receive notes what the device published, and withholds the PUBACK where a case asks for it.
func (l *line) Receive(_ context.Context, t wire.Topic, payload []byte) error {
	b := l.bench
	if t.Kind == wire.TopicHello {
		b.sentHello()
	}
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if t.Kind == wire.TopicReport && hold != 0 {
		if report, err := wire.DecodeReport(payload); err == nil && report.State == hold {
			l.tap.withhold(t.String())
		}
	}
	b.note(event{line: l, kind: published, topic: t, payload: payload, qos: l.tap.qosOf(t.String())})
	return nil
}

// Gone notes the end of the connection.
func (l *line) Gone(byte) {
	l.bench.mu.Lock()
	if l.bench.line == l {
		l.bench.line = nil
	}
	l.bench.mu.Unlock()
	l.bench.note(event{line: l, kind: disconnected})
}

// send sends a message of the server. The device may have gone: the case finds out by itself.
func (l *line) send(kind wire.TopicKind, payload []byte) error {
	l.bench.mu.Lock()
	id := l.bench.device
	l.bench.mu.Unlock()
	return l.link.Send(wire.Topic{Speaker: id, Kind: kind}, payload)
}
