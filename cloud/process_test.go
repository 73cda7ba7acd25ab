package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/simulator"
)

var (
	binaryFolder string                   // of the built server; "" until it is built
	server       = sync.OnceValues(build) // the path of the built server
)

// build builds the server once for all tests; TestMain removes it.
func build() (string, error) {
	var err error
	if binaryFolder, err = os.MkdirTemp("", "muster-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(binaryFolder, "muster")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/muster").CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
}

func removeBinary() {
	if binaryFolder != "" {
		_ = os.RemoveAll(binaryFolder)
	}
}

// process is a server of its own, started again on the same data folder as often as a
// test likes. Its addresses change each time.
type process struct {
	testing.TB
	data  string
	mqtt  atomic.Value // string
	http  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
	log   *bytes.Buffer
}

// spawn starts a server with a data folder of its own; it is killed when the test ends.
func spawn(t testing.TB) *process {
	t.Helper()
	p := &process{TB: t, data: t.TempDir()}
	t.Cleanup(p.kill)
	p.start()
	return p
}

// start starts the server and waits until it is ready.
func (p *process) start() {
	p.Helper()
	path, err := server()
	if err != nil {
		p.Fatal(err)
	}
	ready := filepath.Join(p.data, "ready.json")
	_ = os.Remove(ready) // of an earlier start
	p.cmd = exec.Command(path, "serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--data", filepath.Join(p.data, "data"), "--ready-file", ready, "--owner-email", ownerEmail, "--log-level", "warn")
	p.cmd.Env = append(os.Environ(), "MUSTER_OWNER_PASSWORD="+ownerPassword)
	p.log = &bytes.Buffer{}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // it is killed, mostly
	}()
	var text []byte
	until(p, "the server is ready", func() bool {
		select {
		case <-p.ended:
			p.Fatalf("the server ended at its start: %s", p.log)
		default:
		}
		text, err = os.ReadFile(ready)
		return err == nil
	})
	var at Addresses
	if err := json.Unmarshal(text, &at); err != nil {
		p.Fatal(err)
	}
	p.mqtt.Store(at.MQTT)
	p.http = "http://" + at.HTTP
}

// kill ends the server like a power cut would: SIGKILL.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// broker leads to wherever the server listens at the moment of each connection.
func (p *process) broker() simulator.Broker {
	return simulator.Broker{Dialer: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", p.mqtt.Load().(string))
	}}
}

// operator signs in.
func (p *process) operator() *api.Client {
	p.Helper()
	return signIn(p, p.http)
}

// childrenIn are the child processes of this one that work in folder dir.
func childrenIn(t testing.TB, dir string) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skipf("no /proc to find child processes in: %v", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		cwd, err := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd"))
		if err != nil || cwd != dir {
			continue
		}
		status, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "status")) // it may have ended
		if strings.Contains(string(status), "\nPPid:\t"+strconv.Itoa(os.Getpid())+"\n") {
			pids = append(pids, pid)
		}
	}
	return pids
}
