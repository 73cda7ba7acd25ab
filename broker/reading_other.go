//go:build !linux

package broker

import "net"

// reading is how a connection is read.
type reading struct{}

func (*reading) open(net.Conn) {}

func (*reading) read(conn net.Conn, p []byte) (int, error) { return conn.Read(p) }
