//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

func processorTime(int) time.Duration { return 0 }

func childAttributes() *syscall.SysProcAttr { return nil }

// raiseFiles stops a benchmark where it could not measure anything.
func raiseFiles(uint64) error {
	return errors.New("the benchmarks read /proc and need Linux")
}
