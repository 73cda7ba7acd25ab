//go:build !linux

package process

import (
	"errors"
	"syscall"
	"time"
)

func CPUTime(int) time.Duration { return 0 }

func childAttributes() *syscall.SysProcAttr { return nil }

// RaiseFiles stops a benchmark where it could not measure anything.
func RaiseFiles(uint64) error {
	return errors.New("the benchmarks read /proc and need Linux")
}
