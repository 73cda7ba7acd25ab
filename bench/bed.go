package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/bench/process"
)

// bed is what one benchmark uses: a temporary directory, the binary under test and the
// processes that were started.
type bed struct {
	dir     string
	fleet   string // where a server under test keeps what it stores
	binary  string
	started []*process.Process
	began   time.Time
}

// makeBed prepares a bed: it raises the limit on open files, makes the directory and
// builds the binary where none is given.
func makeBed(ctx context.Context, o options) (*bed, error) {
	if err := process.RaiseFiles(uint64(o.connections()) + 200); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{dir: dir, fleet: cmp.Or(o.fleet, dir), binary: o.muster, began: time.Now()}
	if o.sides.muster() && b.binary == "" {
		err = b.build(ctx)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bed) build(ctx context.Context) error {
	b.progress("building muster")
	b.binary = filepath.Join(b.dir, "muster")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.binary, "github.com/muster-iot/muster/cmd/muster")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building muster: %w\n%s", err, out)
	}
	return nil
}

// close stops what still runs, the youngest first, and removes all files, but not a fleet
// that is kept.
func (b *bed) close() {
	for _, p := range slices.Backward(b.started) {
		p.Stop()
	}
	_ = os.RemoveAll(b.dir)
}

// start runs a server that logs into a file of the bed.
func (b *bed) start(name string, environment []string, path string, args ...string) (*process.Process, error) {
	p, err := process.Start(name, filepath.Join(b.dir, name+".log"), environment, path, args...)
	if err != nil {
		return nil, err
	}
	b.started = append(b.started, p)
	return p, nil
}

// progress logs a line to stderr, with the time since the start.
func (b *bed) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// machine describes where the numbers come from.
func machine() string {
	model := "unknown processor"
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s/%s, %d CPUs (%s), %s, loopback, the load generator on the same CPUs",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model, runtime.Version())
}
