package store

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Ephemeral keeps the fleet in this process: nothing to install, no port, and everything
// gone with Close. o.URL and o.Dir are not used.
func Ephemeral(ctx context.Context, o Options) (*Store, error) {
	server := miniredis.NewMiniRedis()
	s := assemble(&redis.Options{
		Addr: "ephemeral",
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			conn, err := server.Dial()
			if err != nil {
				return nil, err
			}
			return newEagerConn(conn), nil
		},
	}, o)
	s.owned = append(s.owned, server.Close)
	return s.start(ctx)
}

// eagerConn takes all that is written at once and passes it on by itself. The ends of a
// net.Pipe have no buffer: a pipeline, written while the server answers its first
// commands, would wait for ever.
type eagerConn struct {
	net.Conn
	mu      sync.Mutex
	waiting []byte // guarded by mu
	closed  bool   // guarded by mu
	more    sync.Cond
}

func newEagerConn(conn net.Conn) *eagerConn {
	c := &eagerConn{Conn: conn}
	c.more.L = &c.mu
	go c.pass()
	return c
}

// Write keeps a copy of p, to be passed on in order.
func (c *eagerConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	c.waiting = append(c.waiting, p...)
	c.more.Signal()
	return len(p), nil
}

// SetDeadline bounds reads alone: a write never waits.
func (c *eagerConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing: a write never waits.
func (c *eagerConn) SetWriteDeadline(time.Time) error { return nil }

// Close ends the connection and pass.
func (c *eagerConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.more.Signal()
	c.mu.Unlock()
	return c.Conn.Close()
}

// pass writes what waits until the connection is closed.
func (c *eagerConn) pass() {
	var sending []byte
	for {
		c.mu.Lock()
		for len(c.waiting) == 0 && !c.closed {
			c.more.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return
		}
		sending, c.waiting = c.waiting, sending[:0]
		c.mu.Unlock()
		if _, err := c.Conn.Write(sending); err != nil {
			_ = c.Close()
			return
		}
	}
}
