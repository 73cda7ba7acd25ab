//go:build !linux

package chunkio

import "net"

// vector is pieces of memory that are written in few system calls. The zero value is ready;
// it is not safe for concurrent use.
type vector struct {
	pieces net.Buffers
	left   net.Buffers // the end of pieces that is not written
}

func (v *vector) add(p []byte) {
	v.pieces = append(v.pieces, p)
	v.left = v.pieces
}

// reset empties v and keeps none of the pieces alive.
func (v *vector) reset() {
	clear(v.pieces)
	v.pieces, v.left = v.pieces[:0], nil
}

// writeTo writes the rest of v, until tcp's deadline at most.
func (v *vector) writeTo(tcp *net.TCPConn) (int64, error) { return v.left.WriteTo(tcp) }

// tryTo leaves everything to writeTo: net has no write that never waits.
func (v *vector) tryTo(*net.TCPConn) (all bool, err error) { return false, nil }
