//go:build !linux

package simulator

import "syscall"

func bindLate(_, _ string, _ syscall.RawConn) error { return nil }
