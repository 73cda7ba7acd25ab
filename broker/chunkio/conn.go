package chunkio

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a transport whose writes may take as long as they make progress: a write fails
// when not one byte was taken for the write timeout, or an eighth longer. It sets the
// transport's deadlines as seldom as it can, since each costs about as much as handling a
// small packet. Write deadlines set from above (TLS and WebSocket set some) are ignored.
// One goroutine reads; writes may come from another.
type Conn struct {
	net.Conn
	tcp     *net.TCPConn // Conn, where it is one
	timeout atomic.Int64 // of a write without progress, time.Duration
	until   atomic.Int64 // the transport's write deadline, Unix ns

	gather  sync.Mutex
	gathers bool   // writes are gathered; guarded by gather
	pieces  []byte // what was gathered; guarded by gather
	out     vector // what writeAll writes; guarded by gather

	// Only the reader uses these.
	in    reader
	due   time.Time // when reading has to end
	armed time.Time // the transport's read deadline; not later than due
}

// NewConn puts a Conn on top of conn.
func NewConn(conn net.Conn, writeTimeout time.Duration) *Conn {
	c := &Conn{Conn: conn}
	c.tcp, _ = conn.(*net.TCPConn)
	c.timeout.Store(int64(writeTimeout))
	c.in.open(conn)
	return c
}

// SetWriteTimeout changes how long a write may take no byte. It applies to the next write.
func (c *Conn) SetWriteTimeout(d time.Duration) { c.timeout.Store(int64(d)) }

// SetReadDeadline leaves the transport's deadline alone where that is earlier: Read moves
// it when it expires. Only the reader may call it.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.due = t
	if !c.armed.IsZero() && t.After(c.armed) {
		return nil
	}
	c.armed = t
	return c.Conn.SetReadDeadline(t)
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		n, err := c.in.read(c.Conn, p)
		if err == nil || n > 0 || !c.due.After(c.armed) || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		c.armed = c.due
		if err := c.Conn.SetReadDeadline(c.due); err != nil {
			return 0, err
		}
	}
}

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.gather.Lock()
	defer c.gather.Unlock()
	if c.gathers {
		c.pieces = append(c.pieces, p...)
		return len(p), nil
	}
	return c.writeAll(p)
}

// hold gathers what is written until release, in buf, so that several TLS records take one
// system call.
func (c *Conn) hold(buf []byte) {
	c.gather.Lock()
	defer c.gather.Unlock()
	c.gathers, c.pieces = true, buf[:0]
}

// release writes what was gathered and returns the buffer.
func (c *Conn) release() ([]byte, error) {
	c.gather.Lock()
	defer c.gather.Unlock()
	buf := c.pieces
	c.gathers, c.pieces = false, nil
	_, err := c.writeAll(buf)
	return buf, err
}

func (c *Conn) writeAll(p []byte) (n int, err error) {
	if c.tcp != nil && len(p) > 0 {
		defer c.out.reset()
		c.out.add(p)
		return c.writeVector(&c.out)
	}
	for {
		c.arm()
		m, err := c.Conn.Write(p[n:])
		n += m
		if err == nil || m == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// CloseWrite ends the writing half of a TCP connection. Others return errors.ErrUnsupported.
func (c *Conn) CloseWrite() error {
	if c.tcp == nil {
		return errors.ErrUnsupported
	}
	return c.tcp.CloseWrite()
}

// writeVector writes v in as few system calls as the kernel allows.
func (c *Conn) writeVector(v *vector) (n int, err error) {
	for {
		c.arm()
		m, err := v.writeTo(c.tcp)
		n += int(m)
		if err == nil || m == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// tryVector writes what the kernel takes of v at once, and reports whether that was all.
func (c *Conn) tryVector(v *vector) (all bool, err error) {
	c.arm()
	return v.tryTo(c.tcp)
}

// arm makes the write that follows fail when it gets stuck.
func (c *Conn) arm() {
	timeout, now := time.Duration(c.timeout.Load()), time.Now()
	slack := timeout / 8
	if left := time.Duration(c.until.Load() - now.UnixNano()); left >= timeout && left <= timeout+slack {
		return
	}
	until := now.Add(timeout + slack)
	c.until.Store(until.UnixNano())
	_ = c.Conn.SetWriteDeadline(until) // fails only when closed; so does the write
}
