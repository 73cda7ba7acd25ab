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
	"sync"
)

// ClockVariable names the file that holds the step of the server's wall clock, in seconds.
const ClockVariable = "MUSTER_CHAOS_CLOCK"

// steppedClock is a file of package main that patches the code of time.Now when the server starts:
// the wall clock is off by what the file says; the monotonic clock, timers and redis-server's clock
// are not. To replace time.Now by go build -overlay would compile nearly everything again.
//
//go:embed stepped.go.txt
var steppedClock []byte

// CanStep reports whether steppedClock supports this machine.
const CanStep = runtime.GOOS == "linux" && runtime.GOARCH == "amd64"

// built are the servers that this process has built.
var built struct {
	mu        sync.Mutex      // is held while one is built: others who need the same one wait for it
	temporary string          // the folder for them; "": none yet; guarded by mu
	binaries  map[bool]string // paths, by stepped; guarded by mu
}

// BuildServer builds the server, with a clock that can be stepped if stepped, and returns its path. Each is
// built once: RemoveServers must be called in the end. It may be called concurrently.
func BuildServer(ctx context.Context, stepped bool) (binary string, err error) {
	if stepped && !CanStep {
		return "", errors.New("the clock can be stepped on linux/amd64 only: choose other -faults")
	}
	plain := os.Getenv("MUSTER_TEST_BINARY") // scripts/test.sh has built it
	if plain != "" && !stepped {
		return plain, nil
	}
	built.mu.Lock()
	defer built.mu.Unlock()
	if binary := built.binaries[stepped]; binary != "" {
		return binary, nil
	}
	folder := filepath.Dir(plain) // is kept: the next tests need not link it again
	if plain == "" {
		if built.temporary == "" {
			if built.temporary, err = os.MkdirTemp("", "muster-chaos-build-"); err != nil {
				return "", err
			}
		}
		folder = built.temporary
	}
	binary = filepath.Join(folder, fmt.Sprintf("muster-%t", stepped))
	args, flags := []string{"build", "-o", binary}, "-ldflags=-s -w"
	if stepped {
		overlay, err := writeOverlay(ctx, folder)
		if err != nil {
			return "", err
		}
		args, flags = append(args, "-overlay", overlay), flags+" -checklinkname=0" // it names functions of the runtime
	}
	if out, err := exec.CommandContext(ctx, "go", append(args, flags, "github.com/muster-iot/muster/cmd/muster")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, out)
	}
	if built.binaries == nil {
		built.binaries = map[bool]string{}
	}
	built.binaries[stepped] = binary
	return binary, nil
}

// RemoveServers removes what BuildServer has built.
func RemoveServers() {
	built.mu.Lock()
	defer built.mu.Unlock()
	if built.temporary != "" {
		_ = os.RemoveAll(built.temporary)
	}
	built.temporary, built.binaries = "", nil
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
