//go:build interop

package cloud_test

import (
	"context"
	"flag"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/simulator"
)

// streamed is how long event streams have to stay connected. The client gives up on one
// that is silent for 15 s.
var streamed = flag.Duration("stream", 20*time.Second, "how long event streams are watched")

// TestParticleAPIDrivesMuster runs the unmodified npm particle-api-js over HTTP.
func TestParticleAPIDrivesMuster(t *testing.T) {
	t.Parallel() // it waits, most of the time
	w := serve(t)
	cloudtest.WaitOnline(t, w.Simulate(simulator.Config{Devices: w.Enroll("shop")}))
	ctx, cancel := context.WithTimeout(t.Context(), *streamed+2*time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, "node", "particle.mjs", w.URL(""),
		cloudtest.OwnerEmail, cloudtest.OwnerPassword, cloudtest.Lamp, fmt.Sprint(streamed.Seconds()), "shop")
	script.Dir = "../testdata/interop"
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s", out)
}
