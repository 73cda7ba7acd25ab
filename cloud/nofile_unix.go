//go:build unix

package cloud

import (
	"math"
	"syscall"
)

// openFiles is the process's limit of open files, which Go has raised to the hard limit at the
// start; 0: none, or it is not known.
func openFiles() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || uint64(l.Cur) > math.MaxInt32 { //nolint:unconvert // it is signed on FreeBSD
		return 0
	}
	return int(l.Cur) //nolint:gosec // it fits
}
