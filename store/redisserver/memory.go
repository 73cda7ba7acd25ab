package redisserver

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Memory is a Redis in this process, without a port. It keeps nothing after Close.
type Memory struct{ server *miniredis.Miniredis }

// NewMemory returns an empty one.
func NewMemory() *Memory { return &Memory{miniredis.NewMiniRedis()} }

// Dial connects to it; the network and address are ignored.
func (m *Memory) Dial(context.Context, string, string) (net.Conn, error) {
	conn, err := m.server.Dial()
	if err != nil {
		return nil, err
	}
	return newBufferedConn(conn), nil
}

// Close ends it and its connections.
func (m *Memory) Close() { m.server.Close() }

// bufferedConn accepts writes of any size at once and passes them on in a goroutine of its
// own. The ends of a net.Pipe have no buffer: a pipeline that is written while the server
// already answers its first commands would block forever.
type bufferedConn struct {
	net.Conn
	passing sync.WaitGroup

	mu      sync.Mutex
	waiting []byte // guarded by mu
	closed  bool   // guarded by mu
	changed sync.Cond
}

func newBufferedConn(conn net.Conn) *bufferedConn {
	c := &bufferedConn{Conn: conn}
	c.changed.L = &c.mu
	c.passing.Go(c.pass)
	return c
}

// Write keeps a copy of p, to be passed on in order.
func (c *bufferedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	c.waiting = append(c.waiting, p...)
	c.changed.Signal()
	return len(p), nil
}

// SetDeadline does nothing: writes never block, and a server in this process answers, however late a busy machine lets it.
func (c *bufferedConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *bufferedConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *bufferedConn) SetWriteDeadline(time.Time) error { return nil }

// Close ends the connection and returns when pass has returned.
func (c *bufferedConn) Close() error {
	err := c.shut()
	c.passing.Wait()
	return err
}

func (c *bufferedConn) shut() error {
	c.mu.Lock()
	c.closed = true
	c.changed.Signal()
	c.mu.Unlock()
	return c.Conn.Close()
}

// pass writes what waits until the connection is closed.
func (c *bufferedConn) pass() {
	var sending []byte
	for {
		c.mu.Lock()
		for len(c.waiting) == 0 && !c.closed {
			c.changed.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return
		}
		sending, c.waiting = c.waiting, sending[:0]
		c.mu.Unlock()
		if _, err := c.Conn.Write(sending); err != nil {
			_ = c.shut()
			return
		}
	}
}
