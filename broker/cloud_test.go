package broker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cloud is a Cloud that admits whoever sends "proof" and records what happens.
type cloud struct {
	admit   func(Connect) error        // nil: by password
	begin   func(*session)             // nil: nothing
	receive func(*session, note) error // nil: accepts
	gone    func(*session)             // nil: nothing

	mu       sync.Mutex
	sessions []*session
	journal  []string // "admit d1#1", "begin d1#1", "gone d1#1", "d/d1/up/msg hi"
	came     chan *session
	heard    chan note
}

// note is one received message.
type note struct {
	topic   wire.Topic
	payload string
}

type session struct {
	cloud   *cloud
	number  int
	connect Connect
	gateway bool

	mu          sync.Mutex
	begun, left int
	ended       chan struct{}
}

var errProof = fleet.Errorf(fleet.Unauthenticated, "wrong proof")

func newCloud() *cloud {
	return &cloud{came: make(chan *session, 1024), heard: make(chan note, 4096)}
}

func (c *cloud) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.journal = append(c.journal, fmt.Sprintf(format, args...))
}

func (c *cloud) Admit(_ context.Context, k Connect) (Session, error) {
	if c.admit != nil {
		if err := c.admit(k); err != nil {
			return nil, err
		}
	} else if string(k.Password) != "proof" || k.User != string(k.ID) {
		return nil, errProof
	}
	c.mu.Lock()
	s := &session{cloud: c, number: len(c.sessions) + 1, connect: k, gateway: k.ID == "gw", ended: make(chan struct{})}
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	c.note("admit %s#%d", k.ID, s.number)
	return s, nil
}

func (s *session) ID() fleet.DeviceID { return s.connect.ID.In(1) }

func (s *session) Begin() {
	s.mu.Lock()
	s.begun++
	s.mu.Unlock()
	s.cloud.note("begin %s#%d", s.connect.ID, s.number)
	if s.cloud.begin != nil {
		s.cloud.begin(s)
	}
	s.cloud.came <- s
}

func (s *session) Rival(address string) {
	s.cloud.note("rival %s#%d %s", s.connect.ID, s.number, address)
}

func (s *session) Gateway() bool { return s.gateway }

func (s *session) Receive(_ context.Context, t wire.Topic, payload []byte) error {
	n := note{t, string(payload)}
	if s.cloud.receive != nil {
		if err := s.cloud.receive(s, n); err != nil {
			return err
		}
	}
	s.cloud.heard <- n
	return nil
}

func (s *session) Gone(code byte) {
	if s.cloud.gone != nil {
		s.cloud.gone(s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left++
	s.cloud.note("gone %s#%d", s.connect.ID, s.number)
	if s.left == 1 {
		close(s.ended)
	}
}

func (s *session) link() *Link { return s.connect.Link }

// start makes a broker that ends with the test, when every session must have been notified
// that it is gone exactly once.
func start(t testing.TB, cfg Config, c *cloud) *Broker {
	t.Helper()
	b := New(bounded(cfg), c, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { stop(t, b, c) })
	return b
}

// bounded is cfg with what every broker needs. Devices of tests may connect as often as they
// like.
func bounded(cfg Config) Config {
	cfg.ConnectBurst = cmp.Or(cfg.ConnectBurst, 1_000_000)
	cfg.RivalBurst = cmp.Or(cfg.RivalBurst, 1_000_000)
	cfg.MaxConnections = cmp.Or(cfg.MaxConnections, 100_000)
	cfg.MaxKeepAlive = cmp.Or(cfg.MaxKeepAlive, 20*time.Minute)
	return cfg
}

func stop(t testing.TB, b *Broker, c *cloud) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := b.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sessions {
		if s.left != 1 {
			t.Errorf("session %s#%d: Gone was called %d times, want 1", s.connect.ID, s.number, s.left)
		}
	}
	if s := b.Stats(); s.Connections != 0 || s.Pending != 0 || len(b.seats) != 0 || b.places.held.Len() != 0 || len(b.links) != 0 {
		t.Errorf("left behind: %d connections, %d pending, %d seats, %d places, %d links",
			s.Connections, s.Pending, len(b.seats), b.places.held.Len(), len(b.links))
	}
}

// listening is a broker on a TCP port.
func listening(t testing.TB, cfg Config, c *cloud) (*Broker, net.Addr) {
	t.Helper()
	b := start(t, cfg, c)
	addr, err := b.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return b, addr
}

func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
