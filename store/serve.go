package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
)

// Serve keeps the fleet in o.Dir, with a redis-server or valkey-server of its own: a
// child process that listens on a unix socket only, syncs every write before it is
// acknowledged, is started again when it dies and ends with this process, however that
// ends. Where another process still uses o.Dir, Serve waits until it is gone or ctx
// ends. Without a server on PATH the error says what to do.
func Serve(ctx context.Context, o Options) (*Store, error) {
	s, _, err := serve(ctx, o)
	return s, err
}

func serve(ctx context.Context, o Options) (*Store, *child, error) {
	binary, err := findServer()
	if err != nil {
		return nil, nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("data folder: %w", err)
	}
	socket, removeSocket, err := socketPath()
	if err != nil {
		return nil, nil, err
	}
	s := assemble(&redis.Options{Network: "unix", Addr: socket}, o)
	s.owned = append(s.owned, removeSocket)
	lock, err := Lock(ctx, dir, s.core.log) // redis-server inherits it: two on one append-only file would go unnoticed
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	if err := replaceSocket(dir, socket); err != nil {
		_ = lock.Close()
		s.Close()
		return nil, nil, err
	}
	c := newChild(binary, dir, socket, lock, s.core.log)
	s.owned = append(s.owned, c.stop)
	if err := c.firstStart(ctx, s.core); err != nil {
		s.Close()
		return nil, nil, err
	}
	s, err = s.start(ctx)
	return s, c, err
}

var errNoServer = errors.New("no redis-server or valkey-server on PATH: install the package (redis-server, valkey), " +
	"or use a Redis you run (--redis URL), or keep nothing (--ephemeral)")

func findServer() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoServer
}

// maxSocketPath is the longest path of a unix socket, in bytes (unix(7): sun_path, less
// its terminating zero).
const maxSocketPath = 107

// socketPath makes a folder for the socket that only this user may enter, in a short
// place: a path too long is refused by the system.
func socketPath() (path string, remove func(), err error) {
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		var dir string
		if dir, err = os.MkdirTemp(parent, "muster-"); err != nil {
			continue
		}
		path = filepath.Join(dir, "redis.sock")
		if len(path) <= maxSocketPath {
			return path, func() { _ = os.RemoveAll(dir) }, nil
		}
		_ = os.RemoveAll(dir)
		err = fmt.Errorf("%s is longer than the %d bytes a socket may have: set TMPDIR to a shorter folder", path, maxSocketPath)
	}
	return "", nil, fmt.Errorf("socket for redis: %w", err)
}

// replaceSocket notes where the socket is and removes the one noted before: a process
// that was killed left it behind. The lock of dir must be held.
func replaceSocket(dir, socket string) error {
	note := filepath.Join(dir, "socket")
	if old, err := os.ReadFile(note); err == nil {
		_ = os.Remove(string(old)) // gone already, after a clean end
		_ = os.Remove(filepath.Dir(string(old)))
	}
	if err := os.WriteFile(note, []byte(socket), 0o600); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// arguments configure the child. Every write is in the append-only file, synced, before
// its reply; there are no snapshots beside it.
func (c *child) arguments() []string {
	return []string{
		"--port", "0", "--unixsocket", c.socket, "--unixsocketperm", "700",
		"--dir", c.dir, "--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no",
		"--save", "", "--maxmemory", "0", "--maxmemory-policy", "noeviction",
		"--hash-max-listpack-value", "512", // records with an update stay compact
		"--daemonize", "no", "--logfile", "", "--loglevel", "notice",
	}
}

const (
	shortestPause = 100 * time.Millisecond // before the child is started again
	longestPause  = 5 * time.Second
	stopPatience  = 10 * time.Second // for a child asked to end; then it is killed
)
