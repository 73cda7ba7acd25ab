package redisserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/muster-iot/muster/store/disk"
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
		level := slog.LevelError
		if time.Since(began) > longestPause {
			pause = shortestPause
		} else if pause > shortestPause { // it was logged a moment ago
			level = slog.LevelDebug
		}
		s.log.Log(context.Background(), level, "redis-server ended: restarting it", "err", err, "output", s.lastOutput(), "in", pause)
		if !s.wait(pause) || !s.awaitRoom() {
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// leastRoom is how many bytes a server needs on the disk to be worth starting.
const leastRoom = 1 << 20

// awaitRoom waits while the disk is full: a server that syncs every write would end again at its
// first one. It returns false when Stop was called.
func (s *Server) awaitRoom() bool {
	for logged := false; ; logged = true {
		space, err := disk.Of(s.dir)
		if err != nil || space.Free >= leastRoom {
			return true
		}
		if !logged {
			s.log.Error("the disk is full: redis-server is started again when there is room", "folder", s.dir, "free", space.Free)
		}
		if !s.wait(time.Second) {
			return false
		}
	}
}

// wait returns false when Stop was called.
func (s *Server) wait(d time.Duration) bool {
	select {
	case <-s.stopping:
		return false
	case <-time.After(d):
		return true
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
	before := fileSizes(filepath.Join(s.dir, "appendonlydir"))
	if err := s.begin(cmd); err != nil {
		return err
	}
	s.read(output, before)
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

// truncated matches what the server prints when it cuts the append-only file off where it can't be
// read any more.
var truncated = regexp.MustCompile(`Truncating the AOF (\S+) at offset (\d+)`)

// fileSizes returns the sizes of the files in folder.
func fileSizes(folder string) map[string]int64 {
	sizes := map[string]int64{}
	entries, _ := os.ReadDir(folder) // there is none at the first start
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			sizes[e.Name()] = info.Size()
		}
	}
	return sizes
}

// read logs the server's output until it ends and keeps its last lines. before are the sizes of the
// append-only files at its start.
func (s *Server) read(output io.Reader, before map[string]int64) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		s.log.Debug("redis-server", "output", line)
		if m := truncated.FindStringSubmatch(line); m != nil {
			offset, _ := strconv.ParseInt(m[2], 10, 64) // digits
			s.log.Warn("the end of the append-only file could not be read, as after a power failure: it was cut off", "file", m[1], "bytes_lost", before[m[1]]-offset)
		}
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

// terminate asks the server to end, over its socket too: it looks ten times a second whether it was signaled.
func (s *Server) terminate() {
	s.signal(syscall.SIGTERM)
	conn, err := net.DialTimeout("unix", s.socket.path, askPatience)
	if err != nil {
		return // it has ended, or listens to nobody
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(askPatience))
	_, _ = io.WriteString(conn, "SHUTDOWN\r\n")
	_, _ = io.Copy(io.Discard, conn) // until it has ended
}

func (s *Server) kill() { s.signal(syscall.SIGKILL) }

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		_ = s.proc.Signal(sig)
	}
}
