package lockfile_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/muster-iot/muster/store/lockfile"
)

func TestAFolderIsLockedByOneAtATime(t *testing.T) {
	dir := t.TempDir()
	quiet := slog.New(slog.DiscardHandler)
	first, err := lockfile.Acquire(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var log bytes.Buffer
	if _, err := lockfile.Acquire(ended, dir, slog.New(slog.NewTextHandler(&log, nil))); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names the folder", err)
	}
	if strings.Count(log.String(), "level=WARN") != 1 {
		t.Errorf("got the log %q, want one warning that it waits", log.String())
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockfile.Acquire(t.Context(), dir, quiet)
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	_ = again.Close()
}
