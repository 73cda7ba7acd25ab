// Package swarm connects many MQTT clients to one server, over TCP or TLS, and works with all of
// them at once.
package swarm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire/mqtt"
)

// Credentials are what a device connects with; its user name is its id.
type Credentials struct{ ID, Password string }

// Devices are those with ids and, in the same order, secrets.
func Devices(ids, secrets []string) []Credentials {
	devices := make([]Credentials, len(ids))
	for i, id := range ids {
		devices[i] = Credentials{ID: id, Password: secrets[i]}
	}
	return devices
}

// Target is a server to connect to.
type Target struct {
	Address string         // host:port
	TLS     *tls.Config    // nil: plain TCP
	Caches  []SessionCache // of the clients, by their index, to resume sessions from; nil: none
}

// SessionCache keeps the ticket of one client's TLS session.
type SessionCache = tls.ClientSessionCache

// NewCaches returns n empty caches.
func NewCaches(n int) []SessionCache {
	caches := make([]SessionCache, n)
	for i := range caches {
		caches[i] = tls.NewLRUClientSessionCache(1)
	}
	return caches
}

// IDs are the ids of n devices.
func IDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("bench-%05d", i)
	}
	return ids
}

// keepAlive is longer than any rest here: an idle client does nothing at all.
const keepAlive = 15 * time.Minute

// ReplyTimeout bounds the wait for one answer of a server.
const ReplyTimeout = 60 * time.Second

// Swarm is connected clients, by the index of their device.
type Swarm struct {
	Conns   []*mqttlite.Conn
	Took    []time.Duration // from dialing until ready, of each
	Elapsed time.Duration   // of all
	Resumed atomic.Int64    // clients that resumed a TLS session
}

// Connect connects every device, dialers at a time, and runs then on each new
// connection before the next begins. It fails when any of them does.
func Connect(ctx context.Context, to Target, devices []Credentials, dialers int, then func(i int, c *mqttlite.Conn) error) (*Swarm, error) {
	s := &Swarm{Conns: make([]*mqttlite.Conn, len(devices)), Took: make([]time.Duration, len(devices))}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	began := time.Now()
	for range dialers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(devices) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := s.one(ctx, to, i, devices[i], then); err != nil {
					cancel(fmt.Errorf("%s: %w", devices[i].ID, err))
				}
			}
		})
	}
	wait.Wait()
	s.Elapsed = time.Since(began)
	if err := context.Cause(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Swarm) one(ctx context.Context, to Target, i int, d Credentials, then func(int, *mqttlite.Conn) error) error {
	began := time.Now()
	nc, err := to.dial(ctx, i)
	if err != nil {
		return err
	}
	c, err := mqttlite.Open(ctx, nc, mqtt.Client{ID: d.ID, User: d.ID, Password: d.Password, KeepAlive: keepAlive})
	if err != nil {
		return err
	}
	if secure, ok := nc.(*tls.Conn); ok && secure.ConnectionState().DidResume {
		s.Resumed.Add(1)
	}
	s.Conns[i] = c
	if then != nil {
		err = then(i, c)
	}
	s.Took[i] = time.Since(began)
	return err
}

func (to Target) dial(ctx context.Context, i int) (net.Conn, error) {
	broker := mqttlite.Broker{Scheme: "tcp", Host: to.Address, Source: source(i)}
	if to.TLS != nil {
		broker.Scheme, broker.TLS = "tls", to.TLS
		if to.Caches != nil {
			broker.TLS = to.TLS.Clone()
			broker.TLS.ClientSessionCache = to.Caches[i]
		}
	}
	return broker.Dial(ctx)
}

// source spreads connections over 127.0.0.0/8: one address has some 28,000 ports to one
// destination.
func source(i int) net.IP {
	const perAddress = 250
	k := i/perAddress + 1
	return net.IPv4(127, 0, byte(k>>8)+1, byte(k))
}

// Close resets every connection, so that no TIME_WAIT keeps its port.
func (s *Swarm) Close() {
	for _, c := range s.Conns {
		if c != nil {
			_ = c.Close()
		}
	}
}

// Alive fails when a connection has ended. Nothing else may read meanwhile.
func (s *Swarm) Alive(ctx context.Context) error {
	return s.Each(ctx, func(_ context.Context, _ int, c *mqttlite.Conn) error {
		for {
			_, err := c.Read(time.Now().Add(10 * time.Millisecond))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("dropped: %w", err)
			}
		}
	})
}

// Each runs f for every connection at the same time and returns the first error.
func (s *Swarm) Each(ctx context.Context, f func(ctx context.Context, i int, c *mqttlite.Conn) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, s.Close) // a failure ends the reads of the others
	defer stop()
	var wait sync.WaitGroup
	for i, c := range s.Conns {
		wait.Go(func() {
			if err := f(ctx, i, c); err != nil {
				cancel(fmt.Errorf("connection %d: %w", i, err))
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}
