package process

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is the user and system time that all threads of a process have used, 0
// when it has ended: utime and stime of /proc/<pid>/stat, but in nanoseconds instead of
// ticks of 10 ms, since a run may take only a dozen of those.
func CPUTime(pid int) time.Duration {
	const schedulerClock = 2 // CPUCLOCK_SCHED; clock_getcpuclockid(3) computes the same
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// childAttributes makes a child end with this process, however it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}

// RaiseFiles raises the limit on open files as far as it goes, for this process and its
// children. The error describes what to do when that is less than need.
func RaiseFiles(need uint64) error {
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
