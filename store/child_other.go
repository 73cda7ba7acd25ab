//go:build !linux

package store

import "syscall"

// childAttributes keep a Ctrl-C at the terminal from the server. A process that is
// killed leaves its server behind here; the next one waits for it at the lock.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
