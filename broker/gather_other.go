//go:build !linux

package broker

import "net"

// gather is pieces of memory that go out in few system calls. The zero value is ready; it
// is not safe for concurrent use.
type gather struct {
	pieces net.Buffers
	left   net.Buffers // the end of pieces that is not written
}

func (g *gather) add(p []byte) {
	g.pieces = append(g.pieces, p)
	g.left = g.pieces
}

// reset keeps none of the memory that was gathered alive.
func (g *gather) reset() {
	clear(g.pieces)
	g.pieces, g.left = g.pieces[:0], nil
}

// writeTo writes what is left, as far as it comes within tcp's deadline.
func (g *gather) writeTo(tcp *net.TCPConn) (int64, error) { return g.left.WriteTo(tcp) }

// tryTo leaves everything to writeTo: net has no write that does not wait.
func (g *gather) tryTo(*net.TCPConn) (all bool, err error) { return false, nil }
