package chunkio

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

// pair is a TCP connection with so little room that a large write has to wait for the
// other end.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near, far = accepted.(*net.TCPConn), dialed.(*net.TCPConn)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	if err := errors.Join(near.SetWriteBuffer(128<<10), far.SetReadBuffer(128<<10)); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// gathered is g with pieces of many sizes, more of them than one system call takes, and
// what they are together.
func gathered() (g *vector, want []byte) {
	random := rand.New(rand.NewPCG(1, 2))
	g = new(vector)
	for range 3000 {
		p := make([]byte, random.IntN(2000))
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		g.add(p)
		want = append(want, p...)
	}
	return g, want
}

func TestGatheredPiecesArriveWholeThroughNarrowSockets(t *testing.T) {
	near, far := pair(t)
	g, want := gathered()
	read := make(chan []byte, 1)
	go func() {
		got, _ := io.ReadAll(far) // what is missing shows below
		read <- got
	}()
	n, err := g.writeTo(near)
	if err != nil || n != int64(len(want)) {
		t.Fatalf("%d bytes, %v, want %d", n, err, len(want))
	}
	_ = near.Close()
	if got := <-read; !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, not the %d that were sent", len(got), len(want))
	}
}

func TestGatheredWriteGoesOnAfterADeadlineWhereItStopped(t *testing.T) {
	near, far := pair(t)
	g, want := gathered()
	var first int64
	var err error
	for first == 0 && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) { // on a busy machine it may come before the write
		if err := near.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		first, err = g.writeTo(near) // nobody reads
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || first == 0 || first >= int64(len(want)) {
		t.Fatalf("%d of %d bytes, %v", first, len(want), err)
	}
	if err := near.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte, 1)
	go func() {
		got, _ := io.ReadAll(far)
		read <- got
	}()
	rest, err := g.writeTo(near)
	if err != nil || first+rest != int64(len(want)) {
		t.Fatalf("%d and %d bytes, %v, want %d", first, rest, err, len(want))
	}
	_ = near.Close()
	if got := <-read; !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, not the %d that were sent", len(got), len(want))
	}
}

func TestGatheredWriteEndsWithItsConnection(t *testing.T) {
	near, far := pair(t)
	g, want := gathered()
	_ = far.SetLinger(0)
	_ = far.Close()
	if n, err := g.writeTo(near); err == nil {
		t.Fatalf("%d of %d bytes written to nobody", n, len(want))
	}
	g.reset()
	if n, err := g.writeTo(near); n != 0 || err != nil {
		t.Errorf("nothing to write: %d, %v", n, err)
	}
}
