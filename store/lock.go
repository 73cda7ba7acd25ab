package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Lock locks a data folder, which it makes where there is none, until the file it returns
// is closed or the process ends. It waits for another server on it until ctx ends, and then
// returns an error that says so.
func Lock(ctx context.Context, dir string, log *slog.Logger) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return lockDir(ctx, dir, log)
}

// lockDir locks a data folder. The lock belongs to the open file, which the server
// inherits: it is free when both this process and the server are gone. Two servers on
// one append-only file would go unnoticed otherwise. It waits until ctx ends.
func lockDir(ctx context.Context, dir string, log *slog.Logger) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = file.Close()
			return nil, fmt.Errorf("locking %s: %w", dir, err)
		}
		if !told {
			log.Warn("another server uses the data folder: waiting until it is gone", "dir", dir)
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("another server uses %s: stop it first, or choose another folder", dir)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
