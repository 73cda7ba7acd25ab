//go:build interop

package cloud

import (
	"context"
	"flag"
	"fmt"
	"os/exec"
	"testing"
	"time"
)

// streamed is how long the event stream has to stay connected: longer than the 15 s in
// which the client gives up on a silent one.
var streamed = flag.Duration("stream", 20*time.Second, "how long the event stream is watched")

// TestParticleAPIDrivesMuster runs the unmodified npm particle-api-js over HTTP.
func TestParticleAPIDrivesMuster(t *testing.T) {
	w := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), *streamed+time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, "node", "particle.mjs", "http://"+w.cloud.Addresses().HTTP,
		ownerEmail, ownerPassword, lamp, fmt.Sprint(streamed.Seconds()))
	script.Dir = "../testdata/interop"
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s", out)
}
