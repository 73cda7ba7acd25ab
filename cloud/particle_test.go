//go:build interop

package cloud

import (
	"context"
	"flag"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/muster-iot/muster/simulator"
)

// streamed is how long event streams have to stay connected. The client gives up on one
// that is silent for 15 s.
var streamed = flag.Duration("stream", time.Minute, "how long event streams are watched")

// TestParticleAPIDrivesMuster runs the unmodified npm particle-api-js over HTTP.
func TestParticleAPIDrivesMuster(t *testing.T) {
	t.Parallel() // it waits, most of the time
	w := serve(t)
	online(t, w.simulate(simulator.Config{Devices: w.enroll("shop")}))
	ctx, cancel := context.WithTimeout(t.Context(), *streamed+2*time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, "node", "particle.mjs", "http://"+w.cloud.Addresses().HTTP,
		ownerEmail, ownerPassword, lamp, fmt.Sprint(streamed.Seconds()), "shop")
	script.Dir = "../testdata/interop"
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s", out)
}
