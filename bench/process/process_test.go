package process

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestProcessorTimeIsThatOfTheProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("asks Linux")
	}
	before := CPUTime(os.Getpid())
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		// use it
	}
	if used := CPUTime(os.Getpid()) - before; used < time.Millisecond {
		t.Errorf("20 ms of work took %v of processor time", used)
	}
	if got := CPUTime(1 << 22); got != 0 {
		t.Errorf("a process that can't exist used %v", got)
	}
}

func TestStatusCountsInBytes(t *testing.T) {
	status := "Name:\tmuster\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"
	if got, err := statusBytes([]byte(status), "VmRSS"); err != nil || got != 1<<20 {
		t.Errorf("VmRSS %d, %v; want %d", got, err, 1<<20)
	}
	if _, err := statusBytes([]byte(status), "VmSwap"); err == nil {
		t.Error("a field that is not there was found")
	}
}

func TestStoppedProcessIsGoneWithItsWords(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start("shell", log, []string{"WORDS=here I am"}, "/bin/sh", "-c", `sleep 60 & echo $! "$WORDS"; wait`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	err = Poll(t.Context(), 10*time.Second, "the shell's words", func() (bool, error) {
		return strings.Contains(p.lastWords(), "here I am"), p.Alive()
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.family(); len(got) != 2 || got[0] != p.PID {
		t.Errorf("family %v, want %d and one child", got, p.PID)
	}
	if now, peak, err := Resident(p.PID); err != nil || now <= 0 || peak < now {
		t.Errorf("resident %d, at most %d, %v", now, peak, err)
	}
	child := p.family()[1]
	p.Stop()
	p.Stop()
	if err := p.Alive(); err == nil || !strings.Contains(err.Error(), "here I am") {
		t.Errorf("alive after stop: %v, want an error with the log", err)
	}
	if orphan, err := os.FindProcess(child); err == nil {
		_ = orphan.Kill()
	}
}
