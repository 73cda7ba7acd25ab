package redisserver

import (
	"bytes"
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

// TestACopyOfTheDataFolderLeavesTheLiveServerAlone copies the folder of a running server, as
// docs/operations.md describes, and starts the copy on the same machine.
func TestACopyOfTheDataFolderLeavesTheLiveServerAlone(t *testing.T) {
	original := t.TempDir()
	live, client := started(t, original)
	check(t, client.Set(t.Context(), "key", "of the live server", 0).Err())
	duplicate := filepath.Join(t.TempDir(), "copy")
	check(t, os.CopyFS(duplicate, os.DirFS(original)))
	copied, other := started(t, duplicate)
	if got := must[string](t)(other.Get(t.Context(), "key").Result()); got != "of the live server" {
		t.Errorf("the copy has %q", got)
	}
	check(t, other.Set(t.Context(), "key", "of the copy", 0).Err())
	copied.Stop()

	again := redis.NewClient(&redis.Options{Network: "unix", Addr: live.Socket()}) // dials, as after a broken connection
	defer func() { _ = again.Close() }()
	if got, err := again.Get(t.Context(), "key").Result(); err != nil || got != "of the live server" {
		t.Errorf("got %q, %v from the live server", got, err)
	}
}

func TestOnlyFoldersWhoseServerHasEndedAreRemoved(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	running := must[*socket](t)(newSocket(dir))
	foreign := must[*socket](t)(newSocket(other))
	killed := must[*socket](t)(newSocket(dir))
	check(t, killed.owner.Close())
	foreignKilled := must[*socket](t)(newSocket(other))
	check(t, foreignKilled.owner.Close())
	t.Cleanup(func() {
		for _, s := range []*socket{running, foreign, killed, foreignKilled} {
			s.remove()
		}
	})
	last := must[*socket](t)(newSocket(dir))
	t.Cleanup(last.remove)
	for name, row := range map[string]struct {
		socket *socket
		kept   bool
	}{
		"running":                         {running, true},
		"killed":                          {killed, false},
		"running, of another data folder": {foreign, true},
		"killed, of another data folder":  {foreignKilled, true},
	} {
		if _, err := os.Stat(filepath.Dir(row.socket.path)); (err == nil) != row.kept {
			t.Errorf("%s: kept %v, want %v", name, err == nil, row.kept)
		}
	}
}

func TestWhatAPowerFailureCutOffIsLogged(t *testing.T) {
	dir := t.TempDir()
	server, client := started(t, dir)
	check(t, client.Set(t.Context(), "key", strings.Repeat("x", 100), 0).Err())
	server.Stop()
	files := must[[]string](t)(filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof")))
	info := must[os.FileInfo](t)(os.Stat(files[0]))
	check(t, os.Truncate(files[0], info.Size()-10))

	var log bytes.Buffer // read after the end
	again := must[*Server](t)(Start(t.Context(), dir, slog.New(slog.NewTextHandler(&log, nil))))
	client = redis.NewClient(&redis.Options{Network: "unix", Addr: again.Socket(), MaxRetries: 1000, MinRetryBackoff: 5 * time.Millisecond, MaxRetryBackoff: 5 * time.Millisecond})
	defer func() { _ = client.Close() }()
	check(t, again.Await(t.Context(), func(ctx context.Context) error { return client.Ping(ctx).Err() }))
	again.Stop()
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, filepath.Base(files[0])) || strings.Contains(text, "bytes_lost=0") || !strings.Contains(text, "bytes_lost=") {
		t.Errorf("got the log %q, want one line with the file and how many bytes are lost", text)
	}
}
