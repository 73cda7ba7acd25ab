// Package process runs servers under test and reads from the kernel what they use.
package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a server under test, with the children it started.
type Process struct {
	Name  string
	PID   int
	log   string        // file
	ended chan struct{} // closed once it has ended
	kill  func(os.Signal) error
}

const stopTimeout = 15 * time.Second // from SIGTERM to SIGKILL

// Start runs path, with log as its output and environment besides this process's own.
func Start(name, log string, environment []string, path string, args ...string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), environment...)
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &Process{Name: name, PID: cmd.Process.Pid, log: log, ended: make(chan struct{}), kill: cmd.Process.Signal}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(p.ended)
	}()
	return p, nil
}

// Stop asks the process to end, insists after a while, and waits for it. It may be
// called again.
func (p *Process) Stop() {
	_ = p.kill(syscall.SIGTERM)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.kill(syscall.SIGKILL)
		<-p.ended
	}
}

// Alive returns an error with the end of the log when the process has ended.
func (p *Process) Alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended; its log ends with:\n%s", p.Name, p.lastWords())
	default:
		return nil
	}
}

func (p *Process) lastWords() string {
	data, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// family is the process and its descendants, itself first.
func (p *Process) family() []int {
	pids := []int{p.PID}
	for i := 0; i < len(pids); i++ {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pids[i]))
		for _, task := range tasks {
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pids[i], task.Name()))
			for _, word := range strings.Fields(string(data)) {
				if child, err := strconv.Atoi(word); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}

// CPU is the processor time that the process and its living descendants have used.
func (p *Process) CPU() (total time.Duration) {
	for _, pid := range p.family() {
		total += CPUTime(pid)
	}
	return total
}

// Resident is the memory of one process, in bytes: what is resident now (VmRSS) and the
// most that was (VmHWM) since the start or the last ResetPeak.
func Resident(pid int) (now, peak int64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	if now, err = statusBytes(data, "VmRSS"); err != nil {
		return 0, 0, err
	}
	peak, err = statusBytes(data, "VmHWM")
	return now, peak, err
}

// statusBytes reads one field of /proc/<pid>/status, which counts in KiB.
func statusBytes(status []byte, name string) (int64, error) {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			words := bytes.Fields(rest)
			if len(words) != 2 || string(words[1]) != "kB" {
				return 0, fmt.Errorf("%s is not in kB: %q", name, line)
			}
			n, err := strconv.ParseInt(string(words[0]), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no %s", name)
}

// ResetPeak makes the peak what is resident now (proc(5), clear_refs).
func ResetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200)
}

// Quiet waits until the process has used next to no processor time for half a second, at
// most 20 s: the end of a run before it is over.
func (p *Process) Quiet(ctx context.Context) error {
	const most = 10 * time.Millisecond
	for range 40 {
		before := p.CPU()
		if err := Pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		if p.CPU()-before <= most {
			return nil
		}
	}
	return p.Alive()
}
