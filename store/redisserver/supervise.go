package redisserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// supervise runs the server and restarts it when it ends, until Stop. It keeps its thread: on
// Linux the server is killed when the thread that started it ends.
func (s *Server) supervise() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.ended)
	defer func() { _ = s.lock.Close() }()
	pause := shortestPause
	for {
		began := time.Now()
		err := s.runOnce()
		select { // apart from the next one: of two that are ready, select picks any
		case <-s.stopping:
			return
		default:
		}
		select {
		case <-s.answered:
		default:
			s.failed <- fmt.Errorf("%s ended while it was starting: %w: %s", s.binary, err, s.lastOutput())
			return
		}
		if time.Since(began) > longestPause {
			pause = shortestPause
		}
		s.log.Error("redis-server ended: restarting it", "err", err, "output", s.lastOutput(), "in", pause)
		select {
		case <-s.stopping:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

var errExited = errors.New("it exited with status 0")

// runOnce runs the server until it ends and returns why it ended or could not be started.
func (s *Server) runOnce() error {
	cmd := exec.Command(s.binary, s.arguments()...)
	cmd.Dir = s.dir
	cmd.ExtraFiles = []*os.File{s.lock, s.socket.owner}
	cmd.SysProcAttr = childAttributes()
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := s.begin(cmd); err != nil {
		return err
	}
	s.read(output)
	err = cmd.Wait()
	s.mu.Lock()
	s.proc = nil
	s.mu.Unlock()
	if err == nil {
		err = errExited
	}
	return err
}

// begin starts cmd, unless Stop was called: a server started after that would not be signaled.
func (s *Server) begin(cmd *exec.Cmd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stopping:
		return errExited
	default:
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.proc = cmd.Process
	return nil
}

// arguments configure the server. Every write is synced to the append-only file before its
// reply; there are no snapshots as well.
func (s *Server) arguments() []string {
	return []string{
		"--port", "0", "--unixsocket", s.socket.path, "--unixsocketperm", "700",
		"--dir", s.dir, "--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no",
		"--save", "", "--maxmemory", "0", "--maxmemory-policy", "noeviction",
		"--hash-max-listpack-value", "512", // device records with an update stay compact
		"--daemonize", "no", "--logfile", "", "--loglevel", "notice",
	}
}

const keptLines = 3 // of the server's output, for errors

// read logs the server's output until it ends and keeps its last lines.
func (s *Server) read(output io.Reader) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		s.log.Debug("redis-server", "output", line)
		s.mu.Lock()
		s.output = append(s.output, line)
		s.output = s.output[max(0, len(s.output)-keptLines):]
		s.mu.Unlock()
	}
}

func (s *Server) lastOutput() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.output, " / ")
}

func (s *Server) terminate() { s.signal(syscall.SIGTERM) }
func (s *Server) kill()      { s.signal(syscall.SIGKILL) }

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		_ = s.proc.Signal(sig)
	}
}
