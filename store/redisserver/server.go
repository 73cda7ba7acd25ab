package redisserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/muster-iot/muster/store/lockfile"
)

const (
	shortestPause = 100 * time.Millisecond // before the server is restarted
	longestPause  = 5 * time.Second
	stopPatience  = 10 * time.Second // until a server asked to end is killed
	askPatience   = time.Second      // for a server asked over its socket to end
)

// Server is a redis-server or valkey-server child process. It listens on a unix socket only,
// syncs every write to disk before it replies, is restarted when it dies, and ends with this
// process. Its methods are safe for concurrent use.
type Server struct {
	binary, dir string
	socket      *socket
	lock        *os.File // held by this process and inherited by the server
	log         *slog.Logger

	answered  chan struct{} // closed by Await when the server first answers
	failed    chan error    // why the server ended before that; receives at most one value
	stopping  chan struct{} // closed by Stop
	ended     chan struct{} // closed when the supervisor has returned and no server runs
	answering sync.Once
	stop      sync.Once

	mu     sync.Mutex
	proc   *os.Process // guarded by mu; nil while no server runs
	output []string    // the last lines the server printed; guarded by mu
}

// Start starts a server that keeps its data in dir. While another process uses dir it waits
// until that has ended or ctx ends. If no server is installed, the error explains what to do.
// Await must be called next; Stop ends the server.
func Start(ctx context.Context, dir string, log *slog.Logger) (*Server, error) {
	binary, err := findBinary()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockfile.Acquire(ctx, dir, log) // inherited by the server: two on one append-only file would corrupt it
	if err != nil {
		return nil, err
	}
	socket, err := newSocket(dir)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	s := &Server{
		binary: binary, dir: dir, socket: socket, lock: lock, log: log,
		answered: make(chan struct{}), failed: make(chan error, 1),
		stopping: make(chan struct{}), ended: make(chan struct{}),
	}
	go s.supervise()
	return s, nil
}

var errNoBinary = errors.New("no redis-server or valkey-server on PATH: install the package (redis-server, valkey), " +
	"or use a Redis you run (--redis URL), or keep nothing (--ephemeral)")

var errWindows = errors.New("on Windows Muster can't start a Redis: use one you run (--redis URL), or keep nothing (--ephemeral)")

func findBinary() (string, error) {
	if runtime.GOOS == "windows" { // the server inherits the lock, and there it can't
		return "", errWindows
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoBinary
}

// Socket returns the path of the unix socket the server listens on. It doesn't change when the
// server is restarted.
func (s *Server) Socket() string { return s.socket.path }

// Await calls answers, which returns nil once the server answers, and returns its error. When
// the server ends first, the context of answers is canceled and the error has the last lines
// the server printed.
func (s *Server) Await(ctx context.Context, answers func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-s.failed:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	if err := answers(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	s.answering.Do(func() { close(s.answered) })
	return nil
}

// Stop ends the server and returns when it has ended. Later calls return at once.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.mu.Lock()
		close(s.stopping)
		s.mu.Unlock()
		s.terminate()
		select {
		case <-s.ended:
		case <-time.After(stopPatience):
			s.kill()
			<-s.ended
		}
		s.socket.remove()
	})
}
