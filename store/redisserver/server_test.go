package redisserver

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// started starts a server and returns a client of it.
func started(t *testing.T, dir string) (*Server, *redis.Client) {
	t.Helper()
	server := must[*Server](t)(Start(t.Context(), dir, quiet()))
	t.Cleanup(server.Stop)
	client := redis.NewClient(&redis.Options{
		Network: "unix", Addr: server.Socket(),
		MaxRetries: 1000, MinRetryBackoff: 5 * time.Millisecond, MaxRetryBackoff: 5 * time.Millisecond, // until it answers
	})
	t.Cleanup(func() { _ = client.Close() })
	check(t, server.Await(t.Context(), func(ctx context.Context) error { return client.Ping(ctx).Err() }))
	return server, client
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must fails the test on an error and passes a value on.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func TestOnlyThisUserReachesTheSocketAndNoPortIsOpen(t *testing.T) {
	server, client := started(t, t.TempDir())
	folder := must[os.FileInfo](t)(os.Stat(filepath.Dir(server.Socket())))
	if folder.Mode().Perm() != 0o700 {
		t.Errorf("the socket's folder has mode %o, want 700", folder.Mode().Perm())
	}
	for key, want := range map[string]string{"port": "0", "appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction"} {
		if is := must[map[string]string](t)(client.ConfigGet(t.Context(), key).Result())[key]; is != want {
			t.Errorf("%s is %q, want %q", key, is, want)
		}
	}
	server.Stop()
	if _, err := os.Stat(filepath.Dir(server.Socket())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder is left behind: %v", err)
	}
}

func TestWithoutAServerOnPathTheErrorSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), t.TempDir(), quiet())
	for _, way := range []string{"redis-server", "--redis URL", "--ephemeral"} {
		if err == nil || !strings.Contains(err.Error(), way) {
			t.Errorf("got %v, want it to name %s", err, way)
		}
	}
}

func TestAServerThatEndsAtItsStartIsAnErrorWithItsOutput(t *testing.T) {
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "appendonlydir"), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"), []byte("not a manifest\n"), 0o600))
	server := must[*Server](t)(Start(t.Context(), dir, quiet()))
	defer server.Stop()
	err := server.Await(t.Context(), func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err == nil || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("got %v, want the output of the server about its manifest", err)
	}
}
