package broker

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// steady is a transport whose writes last as long as they progress: a write fails when
// not one byte was taken for patience, or an eighth longer. It tells the transport of
// deadlines as seldom as can be, since each costs about as much as dealing with a small
// packet. Deadlines for writing set from above (TLS and WebSocket do) are overruled.
type steady struct {
	net.Conn
	patience atomic.Int64 // time.Duration
	until    atomic.Int64 // what the transport was told for writes, Unix ns

	// The reader's own.
	in    reading
	due   time.Time // when reading has to end
	armed time.Time // what the transport was told; no later than due
}

func newSteady(conn net.Conn, patience time.Duration) *steady {
	s := &steady{Conn: conn}
	s.patience.Store(int64(patience))
	s.in.open(conn)
	return s
}

// SetReadDeadline puts a deadline off without telling the transport: Read finds out when
// the earlier one comes. Only the reader may call it.
func (s *steady) SetReadDeadline(t time.Time) error {
	s.due = t
	if !s.armed.IsZero() && t.After(s.armed) {
		return nil
	}
	s.armed = t
	return s.Conn.SetReadDeadline(t)
}

func (s *steady) Read(p []byte) (int, error) {
	for {
		n, err := s.in.read(s.Conn, p)
		if err == nil || n > 0 || !s.due.After(s.armed) || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		s.armed = s.due
		if err := s.Conn.SetReadDeadline(s.due); err != nil {
			return 0, err
		}
	}
}

// SetWriteDeadline overrules what is asked for.
func (s *steady) SetWriteDeadline(time.Time) error { return nil }

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

// tryTCP writes what the kernel takes of g at once, and reports whether that was all.
func (s *steady) tryTCP(tcp *net.TCPConn, g *gather) (all bool, err error) {
	s.arm()
	return g.tryTo(tcp)
}

// arm has the write that follows fail when it is stuck.
func (s *steady) arm() {
	patience, now := time.Duration(s.patience.Load()), time.Now()
	slack := patience / 8
	if left := time.Duration(s.until.Load() - now.UnixNano()); left >= patience && left <= patience+slack {
		return
	}
	until := now.Add(patience + slack)
	s.until.Store(until.UnixNano())
	_ = s.Conn.SetWriteDeadline(until) // fails only when closed; so does the write
}
