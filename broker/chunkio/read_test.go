package chunkio

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// What a connection says when it is read itself holds for how the broker reads it.
func TestReadingEndsAsTheConnectionDoes(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(near, far *net.TCPConn) error
		want error
	}{
		"the other end closes":   {func(_, far *net.TCPConn) error { return far.Close() }, io.EOF},
		"this end closes":        {func(near, _ *net.TCPConn) error { return near.Close() }, net.ErrClosed},
		"the deadline comes":     {func(near, _ *net.TCPConn) error { return near.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"the other end resets":   {func(_, far *net.TCPConn) error { return errors.Join(far.SetLinger(0), far.Close()) }, syscall.ECONNRESET},
		"this end stops reading": {func(near, _ *net.TCPConn) error { return near.CloseRead() }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			s := NewConn(near, time.Minute)
			if _, err := far.Write([]byte("last words")); err != nil {
				t.Fatal(err)
			}
			heard := make([]byte, 64)
			if n, err := s.Read(heard); err != nil || string(heard[:n]) != "last words" {
				t.Fatalf("got %q, %v", heard[:n], err)
			}
			result := make(chan error)
			go func() {
				_, err := s.Read(heard) // it waits already, or comes too late: the result is the same
				result <- err
			}()
			if err := c.end(near, far); err != nil {
				t.Fatal(err)
			}
			if err := <-result; !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	near, far := pair(t)
	s := NewConn(near, time.Minute)
	p := make([]byte, 1)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = far.Write(p)
		if n, err := s.Read(p); n != 1 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations for a read", n)
	}
}
