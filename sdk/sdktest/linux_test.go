//go:build sdk

package sdktest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// linux is a running muster-device.
type linux struct {
	t      testing.TB
	folder string
	args   []string
	secret string
	cmd    *exec.Cmd
	log    *bytes.Buffer
}

// newLinux starts the Linux program with an image at folder/image.
func newLinux(t testing.TB, s *server, address string, args ...string) *linux {
	t.Helper()
	l := &linux{t: t, folder: t.TempDir(), secret: s.secret, log: &bytes.Buffer{}}
	host, port, _ := net.SplitHostPort(address)
	l.args = append([]string{"--host", host, "--port", port, "--id", s.device, "--state", filepath.Join(l.folder, "state"),
		"--install", "file:" + filepath.Join(l.folder, "image")}, args...)
	l.start()
	t.Cleanup(func() {
		l.kill()
		if t.Failed() {
			t.Logf("muster-device:\n%s", l.log)
		}
	})
	return l
}

func (l *linux) start() {
	l.t.Helper()
	l.cmd = exec.Command("../c/ports/linux/muster-device", l.args...)
	l.cmd.Env = append(os.Environ(), "MUSTER_SECRET="+l.secret)
	l.cmd.Stdout, l.cmd.Stderr = l.log, l.log
	if err := l.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
}

// kill is a loss of power, as far as a process can have one.
func (l *linux) kill() {
	_ = l.cmd.Process.Kill()
	_ = l.cmd.Wait()
}

func (l *linux) image() []byte {
	data, _ := os.ReadFile(filepath.Join(l.folder, "image"))
	return data
}

func (l *linux) control(line string) {
	l.t.Helper()
	f, err := os.OpenFile(filepath.Join(l.folder, "state", "control"), os.O_WRONLY, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := fmt.Fprintln(f, line); err != nil {
		l.t.Fatal(err)
	}
}

func (s *server) online() {
	s.t.Helper()
	eventually(s.t, s.device+" is online", func() bool {
		out := s.run("device", "get", s.device)
		return strings.Contains(out, "online") && strings.Contains(strings.Join(strings.Fields(out), " "), "online yes")
	})
}

func TestLinuxUpdatesAreByteExact(t *testing.T) {
	t.Parallel()
	s := serve(t, "pi")
	l := newLinux(t, s, s.mqtt)
	s.online()
	for i, size := range []int{1, 65536, 5<<20 + 12345} {
		version := fmt.Sprint(10 + i)
		image := s.release(version, size)
		l.control("hello")
		s.confirmed(version)
		if !bytes.Equal(l.image(), image) {
			t.Errorf("version %s: the image differs", version)
		}
	}
}

func TestLinuxResumesAfterKillsAndCuts(t *testing.T) {
	t.Parallel()
	const size = 48 << 20
	s := serve(t, "pi")
	image := s.release("10", size)
	p := newProxy(t, s.mqtt)
	p.rate.Store(24 << 20)
	l := newLinux(t, s, p.address)
	for _, at := range []int64{10 << 20, 20 << 20} {
		eventually(t, "the download is on its way", func() bool { return p.down.Load() > at })
		l.kill()
		l.start()
	}
	eventually(t, "the download is on its way", func() bool { return p.down.Load() > 40<<20 })
	links := p.links.Load()
	p.cut()
	p.rate.Store(0)
	s.confirmed("10")
	if !bytes.Equal(l.image(), image) {
		t.Error("the image differs")
	}
	if p.links.Load() <= links {
		t.Error("it did not connect again")
	}
	// Each kill costs what was not saved yet and what was under way; nothing else comes twice.
	if got, most := p.down.Load(), int64(size+2*(4<<20+1<<20)+(1<<20)+size/50); got > most {
		t.Errorf("got %d bytes from the server, want at most %d", got, most)
	}
}

func TestLinuxCommandsAlertsAndMessages(t *testing.T) {
	t.Parallel()
	s := serve(t, "pi")
	l := newLinux(t, s, s.mqtt, "--on-command", `echo "did $1 with $(cat)"`)
	s.online()
	if out := s.run("device", "command", "pi", "blink", `{"times":3}`, "--wait", "60s"); !strings.Contains(out, `did blink with {"times":3}`) {
		t.Errorf("got %s", out)
	}
	l.control("alert 3 battery low")
	l.control("message log hello there")
	eventually(t, "the alert is listed", func() bool { return strings.Contains(s.run("alert", "list"), "battery low") })
	eventually(t, "the message is listed", func() bool { return strings.Contains(s.run("message", "list"), "hello there") })
	// After a restart the next one is done, and none again.
	l.kill()
	l.start()
	s.online()
	if out := s.run("device", "command", "pi", "again", "--wait", "60s"); !strings.Contains(out, "did again with") {
		t.Errorf("got %s", out)
	}
}

func TestLinuxSaysNotNow(t *testing.T) {
	t.Parallel()
	s := serve(t, "pi")
	busy := filepath.Join(t.TempDir(), "busy")
	if err := os.WriteFile(busy, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	image := s.release("10", 100000)
	l := newLinux(t, s, s.mqtt, "--busy-file", busy)
	eventually(t, "the device said not now", func() bool { return strings.Contains(s.run("device", "why", "pi"), `says "not now"`) })
	if len(l.image()) > 0 {
		t.Error("it installed an image")
	}
	if err := os.Remove(busy); err != nil {
		t.Fatal(err)
	}
	s.confirmed("10")
	if !bytes.Equal(l.image(), image) {
		t.Error("the image differs")
	}
}

func TestLinuxFallsBackWhenTheSelfTestFails(t *testing.T) {
	t.Parallel()
	s := serve(t, "pi")
	l := newLinux(t, s, s.mqtt, "--self-test", `test "$(head -c 4 `+"image"+` 2>/dev/null)" != "bad!"`)
	l.kill()
	l.args[len(l.args)-1] = `test "$(head -c 4 ` + filepath.Join(l.folder, "image") + `)" != "bad!"`
	l.start()
	s.online()
	good := s.release("10", 70000)
	l.control("hello")
	s.confirmed("10")
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, append([]byte("bad!"), good...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("firmware", "upload", bad, "--version", "11")
	s.run("firmware", "release", "11", "--default", "--yes")
	l.control("hello")
	eventually(t, "the update failed as rolled back", func() bool { return strings.Contains(s.update(), "rolled back") })
	if !bytes.Equal(l.image(), good) {
		t.Error("the old image is not back")
	}
}

// BenchmarkLinux measures a download over loopback, from the start of the program until
// the image is checked and in place: go test -tags sdk -bench Linux -benchtime 1x ./sdk/sdktest
func BenchmarkLinux(b *testing.B) {
	const size = 60 << 20
	for b.Loop() {
		s := serve(b, "pi")
		image := s.release("10", size)
		began := time.Now()
		l := newLinux(b, s, s.mqtt)
		for every := time.NewTicker(5 * time.Millisecond); len(l.image()) != size; {
			<-every.C
		}
		took := time.Since(began)
		if !bytes.Equal(l.image(), image) {
			b.Fatal("the image differs")
		}
		b.ReportMetric(float64(size)/(1<<20)/took.Seconds(), "MiB/s")
		l.kill()
	}
}
