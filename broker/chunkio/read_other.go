//go:build !linux

package chunkio

import "net"

// reader reads a connection.
type reader struct{}

func (*reader) open(net.Conn) {}

func (*reader) read(conn net.Conn, p []byte) (int, error) { return conn.Read(p) }
