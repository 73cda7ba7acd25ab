//go:build sdk

package sdktest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds what a test waits for; it is long because machines that test are busy.
const patience = 3 * time.Minute

const (
	owner    = "owner@example.com"
	password = "a long enough secret"
	product  = "mote"
)

// muster is the binary under test, built once.
var muster string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "sdktest")
	if err != nil {
		panic(err)
	}
	muster = filepath.Join(folder, "muster")
	code := 1
	if build("go", "build", "-o", muster, "../../cmd/muster") && build("make", "-C", "../c/ports/linux") && build("make", "-C", "../c/ports/qemu") {
		code = m.Run()
	}
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

func build(name string, args ...string) bool {
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	return c.Run() == nil
}

// server is a muster serve with one product and one device.
type server struct {
	t      testing.TB
	env    []string
	mqtt   string // host:port
	device string
	secret string
}

func serve(t testing.TB, device string) *server {
	t.Helper()
	folder := t.TempDir()
	s := &server{t: t, device: device}
	ready := filepath.Join(folder, "ready.json")
	c := exec.Command(muster, "serve", "--ephemeral", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--data", filepath.Join(folder, "data"), "--ready-file", ready, "--owner-email", owner)
	c.Env = append(os.Environ(), "MUSTER_OWNER_PASSWORD="+password)
	background(t, c)
	var at struct{ MQTT, HTTP string }
	eventually(t, "the server is ready", func() bool {
		data, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(data, &at) == nil && at.HTTP != ""
	})
	s.mqtt = at.MQTT
	s.env = append(os.Environ(), "MUSTER_URL=http://"+at.HTTP, "MUSTER_TOKEN="+signIn(t, "http://"+at.HTTP), "XDG_CONFIG_HOME="+folder)
	s.run("product", "create", "Mote", "--slug", product)
	var imported struct{ Secrets map[string]string }
	s.decode(&imported, "device", "import", device, "--json")
	s.secret = imported.Secrets[device]
	return s
}

func signIn(t testing.TB, url string) string {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"grant_type": "password", "username": owner, "password": password})
	answer, err := http.Post(url+"/oauth/token", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&token); err != nil || token.AccessToken == "" {
		t.Fatalf("no token: %s, %v", answer.Status, err)
	}
	return token.AccessToken
}

// background runs c until the test ends, with its output in the test's log if it fails.
func background(t testing.TB, c *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", c.Path, log.String())
		}
	})
}

// run runs the CLI and returns its standard output.
func (s *server) run(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *server) try(args ...string) (string, error) {
	c := exec.Command(muster, args...)
	c.Env = s.env
	var failure bytes.Buffer
	c.Stderr = &failure
	out, err := c.Output()
	if err != nil {
		return failure.String(), err
	}
	return string(out), nil
}

func (s *server) decode(into any, args ...string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.run(args...)), into); err != nil {
		s.t.Fatalf("muster %s: %v", strings.Join(args, " "), err)
	}
}

// release uploads size random bytes as a version for all devices, and returns them.
func (s *server) release(version string, size int) []byte {
	s.t.Helper()
	image := make([]byte, size)
	_, _ = rand.Read(image)
	file := filepath.Join(s.t.TempDir(), "image")
	if err := os.WriteFile(file, image, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.run("firmware", "upload", file, "--version", version)
	s.run("firmware", "release", version, "--default", "--yes")
	return image
}

// update is what the newest update of the device has come to.
func (s *server) update() string {
	s.t.Helper()
	return s.run("device", "updates", s.device)
}

func (s *server) confirmed(version string) {
	s.t.Helper()
	eventually(s.t, "version "+version+" is confirmed", func() bool {
		fields := strings.Fields(strings.TrimPrefix(s.update(), "DEVICE  FROM  TO  STATE"))
		for i, f := range fields {
			if f == "confirmed" && i > 0 && fields[i-1] == version {
				return true
			}
		}
		return false
	})
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	end := time.After(patience)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-end:
			t.Fatalf("after %v, it is still not so that %s", patience, what)
		}
	}
}
