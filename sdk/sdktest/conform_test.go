//go:build sdk

package sdktest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/conform"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// client is one implementation of the device's side.
type client struct {
	name     string
	patience float64 // a machine emulated along with nine others is slow
	run      func(t *testing.T, bench string) (stop func())
	except   map[string]string // cases that make no sense for it, and why
}

const benchSecret = "secret"

var clients = []client{
	{"simulator-paho", 3, simulated(simulator.Paho), nil},
	{"simulator-light", 3, simulated(simulator.Light), nil},
	{"c-linux", 3, func(t *testing.T, bench string) func() {
		return newLinux(t, &server{t: t, device: "dut", secret: benchSecret}, bench).kill
	}, map[string]string{"resume/everything-is-there": appliesAtOnce}},
	{"c-qemu", 5, func(t *testing.T, bench string) func() {
		return newMote(t, &server{t: t, device: "dut", secret: benchSecret}, bench).cut
	}, map[string]string{
		"resume/everything-is-there":             appliesAtOnce,
		"connection/stays-away-after-a-takeover": "behind a serial line a takeover looks like any lost connection (a recommendation)",
	}},
	{"python", 3, python, nil},
}

// appliesAtOnce: by the time the connection can be cut, such a client is restarting.
const appliesAtOnce = "it applies an image as soon as it has stored it"

// TestEveryClientKeepsEveryRule runs every case, the slow ones too, on every client. Nearly
// all of a case is waiting: each group of cases has a bench and a device of its own, and all
// run at the same time.
func TestEveryClientKeepsEveryRule(t *testing.T) {
	for _, c := range clients {
		for group, cases := range groups(c.except) {
			t.Run(c.name+"/"+group, func(t *testing.T) {
				t.Parallel()
				keepsAll(t, c, cases)
			})
		}
	}
}

// groups are the cases but those of except by the first part of their names.
func groups(except map[string]string) map[string][]conform.Case {
	all := map[string][]conform.Case{}
	for _, c := range conform.Cases() {
		if except[c.Name] != "" {
			continue
		}
		group, _, _ := strings.Cut(c.Name, "/")
		all[group] = append(all[group], c)
	}
	return all
}

func keepsAll(t *testing.T, c client, cases []conform.Case) {
	t.Helper()
	bench, err := conform.New(conform.Config{Addr: "127.0.0.1:0", Device: "dut", Secret: benchSecret, Patience: c.patience, Slow: true})
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(c.run(t, bench.Addr().String()))
	t.Cleanup(stop)
	report, err := bench.Run(t.Context(), cases, func(r conform.Result) {
		var line strings.Builder
		r.WriteLine(&line)
		t.Log(strings.TrimSpace(line.String()))
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != len(cases) {
		t.Errorf("%d of %d cases were run", len(report.Results), len(cases))
	}
	for _, r := range report.Results {
		if r.Outcome != conform.Passed {
			t.Errorf("%s: %s: %s", r.Name, r.Outcome, r.Detail)
		}
	}
	stop()
	end, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := bench.Close(end); err != nil {
		t.Error(err)
	}
}

// simulated is a device of the simulator. It takes a second to apply an image, so that the
// bench can cut the connection of a device that has stored one.
func simulated(kind simulator.ClientKind) func(*testing.T, string) func() {
	return func(t *testing.T, bench string) func() {
		device, err := simulator.New(simulator.Config{
			Broker:  mqttlite.Broker{Scheme: "tcp", Host: bench},
			Devices: []simulator.Credential{{ID: fleet.DeviceID("dut"), Secret: benchSecret}},
			Client:  kind, Profile: simulator.Profile{MaxImage: 8 << 20, ApplyTime: time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { device.Run(ctx) })
		return func() {
			cancel()
			running.Wait()
		}
	}
}

// python is the Python client, as the program that its tests come with.
func python(t *testing.T, bench string) func() {
	host, port, _ := net.SplitHostPort(bench)
	interpreter := "/usr/bin/python3" // Debian's, which has paho and cbor2
	if _, err := os.Stat(interpreter); err != nil {
		interpreter = "python3"
	}
	c := exec.Command(interpreter, "-m", "tests.bench_device", host, port, "dut", benchSecret, filepath.Join(t.TempDir(), "state"))
	c.Dir = "../python"
	var log strings.Builder
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Log(fmt.Sprint("python:\n", log.String()))
		}
	}
}
