// Package machine changes what a server takes for granted: its clock, and how large its disk is.
package machine

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// ClockVariable names the file that holds the step of the server's wall clock, in seconds.
const ClockVariable = "MUSTER_CHAOS_CLOCK"

// steppedClock is a file of package main that patches the code of time.Now when the server starts:
// the wall clock is off by what the file says; the monotonic clock, timers and redis-server's clock
// are not. To replace time.Now by go build -overlay would compile nearly everything again.
//
//go:embed stepped.go.txt
var steppedClock []byte

// CanStep reports whether steppedClock knows this machine's code.
const CanStep = runtime.GOOS == "linux" && runtime.GOARCH == "amd64"

// BuildServer builds the server, with a clock that can be stepped if stepped.
func BuildServer(ctx context.Context, stepped bool) (binary string, cleanUp func(), err error) {
	if stepped && !CanStep {
		return "", nil, errors.New("the clock can be stepped on linux/amd64 only: choose other -faults")
	}
	folder, err := os.MkdirTemp("", "muster-chaos-build-")
	if err != nil {
		return "", nil, err
	}
	cleanUp = func() { _ = os.RemoveAll(folder) }
	args := []string{"build"}
	if stepped {
		var overlay string
		overlay, err = writeOverlay(ctx, folder)
		args = append(args, "-overlay", overlay, "-ldflags=-checklinkname=0") // it names functions of the runtime
	}
	if err == nil {
		binary = filepath.Join(folder, "muster")
		if out, failed := exec.CommandContext(ctx, "go", append(args, "-o", binary, "github.com/muster-iot/muster/cmd/muster")...).CombinedOutput(); failed != nil {
			err = fmt.Errorf("building the server: %w\n%s", failed, out)
		}
	}
	if err != nil {
		cleanUp()
		return "", nil, err
	}
	return binary, cleanUp, nil
}

// writeOverlay adds steppedClock to the server's package main.
func writeOverlay(ctx context.Context, folder string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/muster-iot/muster/cmd/muster").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	added, overlay := filepath.Join(folder, "clock.go"), filepath.Join(folder, "overlay.json")
	replaced := map[string]string{filepath.Join(strings.TrimSpace(string(out)), "chaos_clock.go"): added}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(added, steppedClock, 0o600), os.WriteFile(overlay, list, 0o600))
}
