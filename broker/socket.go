package broker

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// steady is a transport whose writes last as long as they progress: a write fails when
// not one byte was taken for patience. Deadlines for writing set from above (TLS and
// WebSocket do) are overruled; reading is untouched.
type steady struct {
	net.Conn
	patience atomic.Int64 // time.Duration
}

func newSteady(conn net.Conn, patience time.Duration) *steady {
	s := &steady{Conn: conn}
	s.patience.Store(int64(patience))
	return s
}

func (s *steady) Write(p []byte) (n int, err error) {
	for {
		s.arm()
		m, err := s.Conn.Write(p[n:])
		n += m
		if err == nil || m == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// writeTCP writes g in as few system calls as the kernel allows.
func (s *steady) writeTCP(tcp *net.TCPConn, g *gather) error {
	for {
		s.arm()
		n, err := g.writeTo(tcp)
		if err == nil || n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

func (s *steady) arm() {
	_ = s.Conn.SetWriteDeadline(time.Now().Add(time.Duration(s.patience.Load()))) // fails only when closed; so does the write
}

// conn is a Link as the MQTT server sees it: a net.Conn. Its deadline is the reader's
// alone, and closing it is left to the goroutine that serves the link, which learns why
// the server gave up and can say so.
type conn Link

func (c *conn) Read(p []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	n, err := c.transport.Read(p)
	if n > 0 {
		c.last = p[n-1]
	}
	return n, err
}

// Write is called by the server with one whole packet, only on the reader's goroutine.
func (c *conn) Write(p []byte) (int, error) {
	l := (*Link)(c)
	if len(p) > 0 && p[0] == headDisconnect {
		return len(p), nil // 3.1.1 has none from the server; in MQTT 5 the end of the link says it
	}
	if l.open {
		l.answer(p)
	} else if err := l.writeNow(p); err != nil { // CONNACK goes before everything
		return 0, err
	}
	return len(p), nil
}

func (c *conn) Close() error                     { return nil }
func (c *conn) SetDeadline(t time.Time) error    { return c.transport.SetReadDeadline(t) }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
func (c *conn) LocalAddr() net.Addr              { return c.transport.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr             { return c.transport.RemoteAddr() }
