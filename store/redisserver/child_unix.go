//go:build unix && !linux

package redisserver

import "syscall"

// childAttributes keep a Ctrl-C at the terminal from the server. If this process is killed,
// the server keeps running here; the next start waits for it at the lock.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
