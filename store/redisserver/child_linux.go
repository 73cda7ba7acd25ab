package redisserver

import "syscall"

// childAttributes make the kernel kill the server when this process dies, even by SIGKILL,
// and keep a Ctrl-C at the terminal from it: Stop ends it after the last write.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
