package store

import "syscall"

// childAttributes make the server end with this process, even when that is killed, and
// keep a Ctrl-C at the terminal from it: it ends after the last write, when told to.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
