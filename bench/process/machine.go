package process

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine describes where the numbers come from.
func Machine() string {
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
