package main

import (
	"context"
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

// identity is what a device connects with; its user name is its id.
type identity struct{ id, password string }

// identities are devices with those ids and, in the same order, secrets.
func identities(ids, secrets []string) []identity {
	devices := make([]identity, len(ids))
	for i, id := range ids {
		devices[i] = identity{id: id, password: secrets[i]}
	}
	return devices
}

func deviceIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("bench-%05d", i)
	}
	return ids
}

// keepAlive is longer than any rest here: an idle client does nothing at all.
const keepAlive = 15 * time.Minute

// replyTimeout bounds the wait for one answer of a server.
const replyTimeout = 60 * time.Second

// swarm is connected clients, by the index of their identity.
type swarm struct {
	conns   []*mqttlite.Conn
	took    []time.Duration // from dialing until ready, of each
	elapsed time.Duration   // of all
}

// connect connects every device, dialers at a time, and runs then on each new
// connection before the next begins. It fails when any of them does.
func connect(ctx context.Context, address string, devices []identity, dialers int, then func(i int, c *mqttlite.Conn) error) (*swarm, error) {
	s := &swarm{conns: make([]*mqttlite.Conn, len(devices)), took: make([]time.Duration, len(devices))}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	began := time.Now()
	for range dialers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(devices) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := s.one(ctx, address, i, devices[i], then); err != nil {
					cancel(fmt.Errorf("%s: %w", devices[i].id, err))
				}
			}
		})
	}
	wait.Wait()
	s.elapsed = time.Since(began)
	if err := context.Cause(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *swarm) one(ctx context.Context, address string, i int, d identity, then func(int, *mqttlite.Conn) error) error {
	began := time.Now()
	broker := mqttlite.Broker{Scheme: "tcp", Host: address, Source: source(i)}
	c, err := mqttlite.Dial(ctx, broker, mqtt.Client{ID: d.id, User: d.id, Password: d.password, KeepAlive: keepAlive})
	if err != nil {
		return err
	}
	s.conns[i] = c
	if then != nil {
		err = then(i, c)
	}
	s.took[i] = time.Since(began)
	return err
}

// source spreads connections over 127.0.0.0/8: one address has some 28,000 ports to one
// destination.
func source(i int) net.IP {
	const perAddress = 250
	k := i/perAddress + 1
	return net.IPv4(127, 0, byte(k>>8)+1, byte(k))
}

// close resets every connection, so that no TIME_WAIT keeps its port.
func (s *swarm) close() {
	for _, c := range s.conns {
		if c != nil {
			_ = c.Close()
		}
	}
}

// alive fails when a connection has ended. Nothing else may read meanwhile.
func (s *swarm) alive(ctx context.Context) error {
	return s.each(ctx, func(_ context.Context, _ int, c *mqttlite.Conn) error {
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

// each runs f for every connection at the same time and returns the first error.
func (s *swarm) each(ctx context.Context, f func(ctx context.Context, i int, c *mqttlite.Conn) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, s.close) // a failure ends the reads of the others
	defer stop()
	var wait sync.WaitGroup
	for i, c := range s.conns {
		wait.Go(func() {
			if err := f(ctx, i, c); err != nil {
				cancel(fmt.Errorf("connection %d: %w", i, err))
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}
