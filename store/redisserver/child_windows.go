package redisserver

import "syscall"

// childAttributes is never used: Start returns an error on Windows.
func childAttributes() *syscall.SysProcAttr { return nil }
