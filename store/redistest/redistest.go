// Package redistest starts real Redis servers for tests: Clusters with replicas, and a master with
// a replica and Sentinels. They listen on loopback, keep nothing, and end with the test process.
package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Node is one server. Kill and Start may be called in turns.
type Node struct {
	Addr   string
	Client *redis.Client

	dir       string
	arguments []string
	last      string // what the shell does after the server has ended
	shell     *exec.Cmd
	alive     interface{ Close() error } // closing it ends the server
	pid       int
}

// supervise runs a server and prints its process id. It kills the server when its standard input
// ends, which it also does when the test process is killed.
const supervise = `"$@" </dev/null >server.log 2>&1 & p=$!; echo $p; read _; kill -9 $p; wait $p`

// newNode starts a server with a configuration, on a free port of its own.
func newNode(dir string, sentinel bool, lines ...string) (*Node, error) {
	n, err := prepare(dir, sentinel, lines...)
	if err != nil {
		return nil, err
	}
	return n, n.Start()
}

// prepare makes a node without starting it.
func prepare(dir string, sentinel bool, lines ...string) (*Node, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	n := &Node{Addr: "127.0.0.1:" + port, dir: filepath.Join(dir, port)}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return nil, err
	}
	config := append([]string{"port " + port, "bind 127.0.0.1", "dir " + n.dir, "enable-debug-command local"}, lines...)
	if sentinel {
		config = append([]string{"port " + port, "bind 127.0.0.1", "dir " + n.dir}, lines...)
	} else {
		config = append(config, `save ""`, "repl-diskless-sync-delay 0", "repl-ping-replica-period 1")
	}
	file := filepath.Join(n.dir, "redis.conf")
	if err := os.WriteFile(file, []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	n.arguments = []string{"redis-server", file}
	if sentinel {
		n.arguments = append(n.arguments, "--sentinel")
	}
	n.Client = redis.NewClient(&redis.Options{Addr: n.Addr, MaxRetries: -1, DialTimeout: time.Second, DialerRetries: 1, PoolSize: 4, DisableIdentity: true, Protocol: 2})
	return n, nil
}

// Start starts the server, unless it runs, and waits until it answers.
func (n *Node) Start() error {
	if n.alive != nil {
		return nil
	}
	n.shell = exec.Command("sh", append([]string{"-c", supervise + n.last, "sh"}, n.arguments...)...)
	n.shell.Dir = n.dir
	alive, err := n.shell.StdinPipe()
	if err != nil {
		return err
	}
	out, err := n.shell.StdoutPipe()
	if err != nil {
		return err
	}
	n.alive = alive
	if err := n.shell.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	if n.pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		return err
	}
	return await(fmt.Sprintf("%s answers", n.Addr), func() error { return n.Client.Ping(context.Background()).Err() })
}

// Kill kills the server.
func (n *Node) Kill() {
	if n.alive == nil {
		return
	}
	_ = n.alive.Close()
	_ = n.shell.Wait() // the status is that of kill
	n.alive = nil
}

// Signal sends a signal to the server, if it runs.
func (n *Node) Signal(sig syscall.Signal) {
	if n.alive != nil {
		_ = syscall.Kill(n.pid, sig) // it may just have ended
	}
}

// Hang keeps the server from doing anything for a while. It returns at once.
func (n *Node) Hang(d time.Duration) {
	c := redis.NewClient(&redis.Options{Addr: n.Addr, MaxRetries: -1, ReadTimeout: 20 * time.Millisecond, DisableIdentity: true, Protocol: 2})
	_ = c.Do(context.Background(), "debug", "sleep", d.Seconds()).Err() // does not answer
	_ = c.Close()
}

func (n *Node) stop() {
	_ = n.Client.Close()
	n.Kill()
}

// patience is how long servers may take on a busy machine.
const patience = 90 * time.Second

func await(what string, holds func() error) error {
	for began := time.Now(); ; {
		err := holds()
		if err == nil {
			return nil
		}
		if time.Since(began) > patience {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

const (
	firstPort = 10_000 // up to 30,000: below those that clients get
	ports     = 500    // of a test process, in turns: it may start many servers at once, and kill some for a while
)

var given atomic.Int64 // ports so far

// freePort returns a port that no other server of this process was given lately, nor one of most other
// test processes.
func freePort() (string, error) {
	own := firstPort + os.Getpid()%40*ports
	for range ports {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(own+int(given.Add(1)%ports)))
		if err != nil {
			continue
		}
		_, port, err := net.SplitHostPort(l.Addr().String())
		return port, errors.Join(err, l.Close())
	}
	return "", errors.New("no port is free")
}
