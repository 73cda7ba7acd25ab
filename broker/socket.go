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

// tryTCP writes what the kernel takes of g at once, and reports whether that was all.
func (s *steady) tryTCP(tcp *net.TCPConn, g *gather) (all bool, err error) {
	s.arm()
	return g.tryTo(tcp)
}

func (s *steady) arm() {
	_ = s.Conn.SetWriteDeadline(time.Now().Add(time.Duration(s.patience.Load()))) // fails only when closed; so does the write
}
