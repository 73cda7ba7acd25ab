// Package lockfile makes a folder the property of one process at a time.
package lockfile

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const retryEvery = 50 * time.Millisecond

// Acquire locks a folder, which it creates if there is none, and returns the open file that
// holds the lock. The lock is released when the file is closed, or when this process and every
// child that inherited the file have ended. While another process holds it, Acquire waits and
// logs that once; when ctx ends first, the error names the folder.
func Acquire(ctx context.Context, dir string, log *slog.Logger) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	for logged := false; ; logged = true {
		locked, err := TryLock(file)
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("locking %s: %w", dir, err)
		}
		if locked {
			return file, nil
		}
		if !logged {
			log.Warn("another server uses the data folder: waiting until it has ended", "dir", dir)
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("another server uses %s: stop it first, or choose another folder", dir)
		case <-time.After(retryEvery):
		}
	}
}
