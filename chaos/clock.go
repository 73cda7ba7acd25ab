package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// clockVariable names the file that holds the step of the server's wall clock, in seconds.
const clockVariable = "MUSTER_CHAOS_CLOCK"

// The server under test is built with another time.Now (go build -overlay): the wall clock is
// off by what the file says, and the monotonic clock, timers and redis-server's clock are not.
const (
	realNow = `func Now() Time {
	sec, nsec, mono := runtimeNow()
`
	steppedNow = `// Step is added to the wall clock, in seconds.
var Step atomic.Int64

` + realNow + `	sec += Step.Load()
`
	follower = `package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func init() {
	name := os.Getenv("` + clockVariable + `")
	if name == "" {
		return
	}
	read := func() {
		data, err := os.ReadFile(name)
		if err != nil {
			return
		}
		if step, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil {
			time.Step.Store(step)
		}
	}
	read()
	go func() {
		for range time.NewTicker(100 * time.Millisecond).C {
			read()
		}
	}()
}
`
)

// buildServer builds the server, with a clock that can be stepped if stepped. That compiles
// nearly everything again the first time, since nearly everything imports time.
func buildServer(ctx context.Context, stepped bool) (binary string, cleanUp func(), err error) {
	folder, err := os.MkdirTemp("", "muster-chaos-build-")
	if err != nil {
		return "", nil, err
	}
	cleanUp = func() { _ = os.RemoveAll(folder) }
	args := []string{"build"}
	if stepped {
		var overlay string
		overlay, err = writeOverlay(ctx, folder)
		args = append(args, "-overlay", overlay)
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

func writeOverlay(ctx context.Context, folder string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "time", "github.com/muster-iot/muster/cmd/muster").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	std, command, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	original := filepath.Join(std, "time.go")
	data, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	text := string(data)
	if strings.Count(text, realNow) != 1 || strings.Count(text, "import (\n") != 1 {
		return "", fmt.Errorf("%s of %s is not what clock.go expects: adapt it", original, runtime.Version())
	}
	text = strings.Replace(text, realNow, steppedNow, 1)
	text = strings.Replace(text, "import (\n", "import (\n\t\"sync/atomic\"\n", 1)
	replaced := map[string]string{}
	for path, content := range map[string]string{original: text, filepath.Join(command, "chaos_clock.go"): follower} {
		copied := filepath.Join(folder, filepath.Base(path))
		if err := os.WriteFile(copied, []byte(content), 0o600); err != nil {
			return "", err
		}
		replaced[path] = copied
	}
	overlay := filepath.Join(folder, "overlay.json")
	data, err = json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, data, 0o600)
}
