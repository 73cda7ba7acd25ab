package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is the supervised server process.
type child struct {
	binary, dir, socket string
	lock                *os.File // held by this process and inherited by the server
	log                 *slog.Logger

	stopping chan struct{}
	ended    chan struct{} // the supervisor is gone, and the server with it
	failed   chan error    // the server ended before it ever answered; sent once

	mu    sync.Mutex
	proc  *os.Process // guarded by mu; nil while none runs
	lines []string    // the server's last words; guarded by mu
}

func newChild(binary, dir, socket string, lock *os.File, log *slog.Logger) *child {
	return &child{
		binary: binary, dir: dir, socket: socket, lock: lock, log: log,
		stopping: make(chan struct{}), ended: make(chan struct{}), failed: make(chan error, 1),
	}
}

// firstStart starts the supervisor and waits until the server answers. A server that
// ends before gives its last words as the error.
func (c *child) firstStart(ctx context.Context, store *core) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answered := make(chan struct{})
	go c.supervise(answered)
	go func() {
		select {
		case err := <-c.failed:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	if err := store.greet(ctx, false); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	close(answered)
	return nil
}

// supervise runs the server, again when it dies. It keeps its thread: on Linux the
// server ends with the thread that started it.
func (c *child) supervise(answered <-chan struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.ended)
	defer func() { _ = c.lock.Close() }()
	pause := shortestPause
	for {
		began := time.Now()
		err := c.runOnce()
		select { // apart from the next one: when both are ready, either might win
		case <-c.stopping:
			return
		default:
		}
		select {
		case <-answered:
		default:
			c.failed <- fmt.Errorf("%s ended at its start: %w: %s", c.binary, err, c.lastWords())
			return
		}
		if time.Since(began) > longestPause {
			pause = shortestPause
		}
		c.log.Error("the redis of this server ended and is started again", "err", err, "said", c.lastWords(), "in", pause)
		select {
		case <-c.stopping:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// runOnce runs the server until it ends, and returns why it did; it may not be running
// for lack of a binary or because it is to stop.
func (c *child) runOnce() error {
	cmd := exec.Command(c.binary, c.arguments()...)
	cmd.Dir = c.dir
	cmd.ExtraFiles = []*os.File{c.lock}
	cmd.SysProcAttr = childAttributes()
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	c.mu.Lock()
	select {
	case <-c.stopping:
		c.mu.Unlock()
		return errStopped
	default:
	}
	if err := cmd.Start(); err != nil {
		c.mu.Unlock()
		return err
	}
	c.proc = cmd.Process
	c.mu.Unlock()
	c.listen(output)
	err = cmd.Wait()
	c.mu.Lock()
	c.proc = nil
	c.mu.Unlock()
	if err == nil {
		err = errStopped
	}
	return err
}

var errStopped = errors.New("it was told to stop")

// listen passes the server's output on to the log until it ends.
func (c *child) listen(output io.Reader) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		c.log.Debug("redis", "said", line)
		c.mu.Lock()
		c.lines = append(c.lines, line)
		c.lines = c.lines[max(0, len(c.lines)-3):]
		c.mu.Unlock()
	}
}

func (c *child) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines, " / ")
}

// signal sends sig to the server, if one runs.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc != nil {
		_ = c.proc.Signal(sig)
	}
}

// stop ends the server and its supervisor, and waits for both.
func (c *child) stop() {
	c.mu.Lock()
	close(c.stopping)
	c.mu.Unlock()
	c.signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(stopPatience):
		c.signal(syscall.SIGKILL)
		<-c.ended
	}
}
