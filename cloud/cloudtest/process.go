package cloudtest

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
	"time"

	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

var (
	binaryFolder string                         // of the built server; "" until it is built
	server       = sync.OnceValues(buildServer) // the path of the built server
)

// buildServer builds the server once for all tests of a package, if scripts/test.sh has not built it for all
// packages; Main removes it.
func buildServer() (string, error) {
	if built := os.Getenv("MUSTER_TEST_BINARY"); built != "" {
		return built, nil
	}
	var err error
	if binaryFolder, err = os.MkdirTemp("", "muster-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(binaryFolder, "muster")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "github.com/muster-iot/muster/cmd/muster").CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
}

func removeBinary() {
	if binaryFolder != "" {
		_ = os.RemoveAll(binaryFolder)
	}
}

// Process is a server in a process of its own, started again on the same data folder as
// often as a test likes. Its addresses change each time.
type Process struct {
	Cmd    *exec.Cmd
	Ended  chan struct{} // closed when Cmd has ended
	Output *bytes.Buffer // read it after the end only
	URL    string        // base of its HTTP addresses
	Folder string        // holds its data folder
	Binary string        // path of muster; "": it is built, at the next start
	Files  int           // its limit of open files; 0: the test's own

	Env []string // in addition to the test's own

	t     testing.TB
	addr  atomic.Value   // cloud.Addresses
	owner *client.Client // of this start; nil before the first call of Owner
}

// Spawn starts a server with a data folder of its own; it is killed when the test ends. Edits
// change how it starts.
func Spawn(t testing.TB, edits ...func(*Process)) *Process {
	t.Helper()
	p := &Process{t: t, Folder: t.TempDir()}
	for _, edit := range edits {
		edit(p)
	}
	t.Cleanup(p.Kill)
	p.Start()
	return p
}

// Start starts the server and waits until it is ready.
func (p *Process) Start() {
	p.t.Helper()
	var err error
	if p.Binary == "" {
		if p.Binary, err = server(); err != nil {
			p.t.Fatal(err)
		}
	}
	ready := filepath.Join(p.Folder, "ready.json")
	_ = os.Remove(ready) // of an earlier start
	limit := ""
	if p.Files > 0 {
		limit = "ulimit -n " + strconv.Itoa(p.Files) + "; "
	}
	p.Cmd = exec.Command("sh", "-c", limit+`exec "$0" "$@"`, p.Binary, "serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--data", filepath.Join(p.Folder, "data"), "--ready-file", ready, "--owner-email", OwnerEmail)
	p.Cmd.Env = append(append(os.Environ(), "MUSTER_OWNER_PASSWORD="+OwnerPassword, "MUSTER_LOG_LEVEL=warn"), p.Env...)
	p.Output = &bytes.Buffer{}
	p.Cmd.Stdout, p.Cmd.Stderr = p.Output, p.Output
	if err := p.Cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.Ended = make(chan struct{})
	go func() {
		defer close(p.Ended)
		_ = p.Cmd.Wait() // it is killed, mostly
	}()
	var text []byte
	Until(p.t, "the server is ready", func() bool {
		select {
		case <-p.Ended:
			p.t.Fatalf("the server ended at its start: %s", p.Output)
		default:
		}
		text, err = os.ReadFile(ready)
		return err == nil
	})
	var at cloud.Addresses
	if err := json.Unmarshal(text, &at); err != nil {
		p.t.Fatal(err)
	}
	p.addr.Store(at)
	p.URL, p.owner = "http://"+at.HTTP, nil
}

// Kill ends the server with SIGKILL, as a power cut would.
func (p *Process) Kill() {
	if p.Cmd == nil || p.Cmd.Process == nil {
		return
	}
	_ = p.Cmd.Process.Kill() // it may have ended
	<-p.Ended
}

// WaitEnded waits until the server has ended by itself, in order: it has been asked to.
func (p *Process) WaitEnded() {
	p.t.Helper()
	limit := time.NewTimer(Patience) // it may drain for a minute, and wait for requests in progress
	defer limit.Stop()
	select {
	case <-p.Ended:
	case <-limit.C:
		p.t.Fatal("the server does not end")
	}
	if code := p.Cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("exit code %d: %s", code, p.Output)
	}
}

// Addresses are where the server listens at that moment.
func (p *Process) Addresses() cloud.Addresses { return p.addr.Load().(cloud.Addresses) }

// Broker is where devices connect to: wherever the server listens at that moment.
func (p *Process) Broker() mqttlite.Broker {
	return mqttlite.Broker{Dialer: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", p.Addresses().MQTT)
	}}
}

// Owner returns the owner's client, signed in once after each start. It must not be called concurrently.
func (p *Process) Owner() *client.Client {
	p.t.Helper()
	if p.owner == nil {
		p.owner = SignIn(p.t, p.URL)
	}
	return p.owner
}

// Redis are the processes of the server's own redis-server.
func (s *Server) Redis() []int {
	s.Helper()
	return ChildrenIn(s, Must[string](s)(filepath.Abs(filepath.Join(s.Config.Data, "redis"))))
}

// ChildrenIn are the child processes of this one that work in folder dir. It skips the test
// on a system without /proc.
func ChildrenIn(t testing.TB, dir string) (pids []int) {
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
