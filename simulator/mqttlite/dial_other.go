//go:build !linux

package mqttlite

import "syscall"

func bindLate(_, _ string, _ syscall.RawConn) error { return nil }
