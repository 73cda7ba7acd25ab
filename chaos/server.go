package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/chaos/machine"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/redisserver"
)

const (
	owner    = "owner@example.com"
	password = "a long enough secret"
	rate     = "4MB/s" // of all downloads, so that most faults meet some
)

// server is a muster serve, at the same addresses and on the same data folder after each start: with a
// redis-server of its own, or one of several on a Cluster. The faults use it one at a time.
type server struct {
	binary, folder string
	mqtt, http     string // host:port
	token          string
	client         *client.Client   // the owner's
	settings       []string         // of the environment, as in NAME=value
	now            *process.Process // nil before the first start
	suspended      atomic.Bool      // one of several
	continued      atomic.Int64     // when, in Unix nanoseconds
}

func newServer(binary, folder string) (*server, error) {
	s := &server{binary: binary, folder: folder}
	var err error
	for _, address := range []*string{&s.mqtt, &s.http} {
		if *address, err = process.FreeAddress(); err != nil {
			return nil, err
		}
	}
	return s, os.MkdirAll(s.data(), 0o700)
}

func (s *server) data() string { return filepath.Join(s.folder, "data") }

// start starts the server. It does not wait until it is ready.
func (s *server) start() error {
	var err error
	s.now, err = process.Start("muster", filepath.Join(s.folder, "muster.log"),
		append([]string{"MUSTER_OWNER_PASSWORD=" + password, "MUSTER_OTA_RATE=" + rate, machine.ClockVariable + "=" + s.clockFile()}, s.settings...), s.binary,
		"serve", "--mqtt", s.mqtt, "--http", s.http, "--data", s.data(), "--owner-email", owner)
	return err
}

// ready waits until the server reports that it is ready.
func (s *server) ready(ctx context.Context, limit time.Duration) error {
	return process.Poll(ctx, limit, "the server is ready", func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+"/readyz", nil)
		if err != nil {
			return false, err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
		}
		if gone := s.now.Alive(); gone != nil {
			return false, gone
		}
		return err == nil && answer.StatusCode == http.StatusOK, nil
	})
}

// signIn signs the owner in, at all of these servers.
func signIn(ctx context.Context, servers []*server) error {
	_, token, err := client.SignIn(ctx, "http://"+servers[0].http, owner, password)
	for _, s := range servers {
		s.token, s.client = token.AccessToken, client.New("http://"+s.http, token.AccessToken)
	}
	return err
}

// kill ends the server as a loss of power would.
func (s *server) kill() {
	_ = syscall.Kill(s.now.PID, syscall.SIGKILL)
	s.now.Stop() // waits
}

// dump has the server end with its goroutines in its log.
func (s *server) dump(ctx context.Context) {
	s.signal(musterOnly, syscall.SIGQUIT)
	wait(context.WithoutCancel(ctx), time.Second)
}

// signal sends a signal to the server, to its redis-server, or to both.
func (s *server) signal(to target, sig syscall.Signal) {
	if to != redisOnly {
		_ = syscall.Kill(s.now.PID, sig)
	}
	if to != musterOnly {
		if pid := s.redis(); pid != 0 {
			_ = syscall.Kill(pid, sig)
		}
	}
}

// target is which of the two processes a fault is aimed at.
type target uint8

const (
	musterOnly target = iota
	redisOnly
	both
)

// redis is the process of the server's redis-server, 0 without one.
func (s *server) redis() int {
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.now.PID))
	for _, file := range children {
		data, _ := os.ReadFile(file) // it may have ended
		for _, word := range strings.Fields(string(data)) {
			name, _ := os.ReadFile("/proc/" + word + "/comm")
			if pid, err := strconv.Atoi(word); err == nil && strings.HasPrefix(string(name), "redis-server") {
				return pid
			}
		}
	}
	return 0
}

// ask sends a command to the redis-server, past Muster.
func (s *server) ask(command string) error {
	socket, err := redisserver.FindSocket(filepath.Join(s.data(), "redis"))
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // the read reports it
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.HasPrefix(answer, "-") {
		err = errors.New(strings.TrimSpace(answer))
	}
	return err
}

// stepClock moves the server's wall clock to d from the machine's, in whole seconds.
func (s *server) stepClock(d time.Duration) error {
	whole := s.clockFile() + ".new"
	if err := os.WriteFile(whole, []byte(strconv.FormatInt(int64(d/time.Second), 10)), 0o600); err != nil {
		return err
	}
	return os.Rename(whole, s.clockFile())
}

func (s *server) clockFile() string { return filepath.Join(s.folder, "clock") }

// call sends in as JSON with an Idempotency-Key, which the Go client has no use for.
func (s *server) call(ctx context.Context, method, path, key string, in any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.http+path, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Idempotency-Key", key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fleet.Errorf(fleet.Unavailable, "%w", err)
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	switch {
	case err != nil:
		return fleet.Errorf(fleet.Unavailable, "%w", err)
	case answer.StatusCode >= http.StatusBadRequest:
		return fleet.Errorf(api.KindOf(answer.StatusCode, ""), "answered with %d: %s", answer.StatusCode, text)
	}
	return nil
}
