package main

import (
	"fmt"
	"syscall"
)

// childAttributes makes a child end with this process, however it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}

// raiseFiles raises the limit on open files as far as it goes, for this process and its
// children, and says what to do when that is less than need.
func raiseFiles(need uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur < need {
		return fmt.Errorf("%d open files are allowed, %d are needed: raise the hard limit (ulimit -Hn) or lower --devices", limit.Cur, need)
	}
	return nil
}
