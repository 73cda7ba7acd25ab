package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// handshakes measures how fast a server lets a whole fleet in. For Mosquitto that is
// CONNECT with user name and password until CONNACK; for Muster the same, and, besides
// it, the full handshake: until the Welcome, which comes after the write-back.
func handshakes(ctx context.Context, b *bed, o options) (*report.Result, error) {
	r := &report.Result{Setting: []string{
		process.Machine(),
		fmt.Sprintf("%d devices, %d being connected at a time, %d runs each, in turns", o.devices, o.dialers, o.runs),
		"muster: redis-server of its own, append-only, in " + os.TempDir() + "; a release to decide on",
	}}
	full := &admission{what: "muster, full handshake"}
	bare := &admission{what: "muster, bare CONNECT"}
	other := &admission{what: "mosquitto, bare CONNECT"}
	if o.sides.muster() {
		m, devices, err := b.stock(ctx, o, []byte("firmware that runs already"))
		if err != nil {
			return nil, err
		}
		full.server, full.to, full.devices = m.Process, m.mqtt, devices
		bare.server, bare.to, bare.devices = m.Process, m.mqtt, devices
		full.then = func(i int, c *mqttlite.Conn) error {
			return device.Handshake(c, devices[i].ID, device.Greeting(product, 1), 1)
		}
	}
	if o.sides.mosquitto() {
		m, devices, err := b.startMosquitto(ctx, o, o.window)
		if err != nil {
			return nil, err
		}
		r.Setting = append(r.Setting, "mosquitto "+m.version+": password file, no persistence, no log")
		other.server, other.to, other.devices = m.Process, m.mqtt, devices[:o.devices]
	}
	for range o.runs {
		for _, a := range []*admission{full, other, bare} {
			if a.server == nil {
				continue
			}
			if err := a.run(ctx, b, o); err != nil {
				return nil, fmt.Errorf("%s: %w", a.what, err)
			}
		}
	}
	const against = "full handshake : bare CONNECT"
	add := func(what, unit string, ours *admission, number func(admissionRun) float64) report.Row {
		return r.Add(what, unit, report.Numbers(ours.runs, number), report.Numbers(other.runs, number))
	}
	rate := add(against, "1/s", full, admissionRun.perSecond)
	add("bare CONNECT", "1/s", bare, admissionRun.perSecond)
	add("server CPU, "+against, "µs each", full, admissionRun.cost)
	add("server CPU, bare CONNECT", "µs each", bare, admissionRun.cost)
	add("p50, "+against, "ms", full, admissionRun.median)
	add("p99, "+against, "ms", full, admissionRun.late)
	r.AtLeast("full handshakes / Mosquitto's bare CONNECT", rate.Ratio(), 0.5, 0.8)
	return r, nil
}

// admission is one way to connect a fleet to one server, measured again and again.
type admission struct {
	what    string
	server  *process.Process
	to      swarm.Target
	devices []swarm.Credentials
	then    func(i int, c *mqttlite.Conn) error // after CONNACK; nil: nothing
	runs    []admissionRun
}

type admissionRun struct {
	rate float64       // devices per second
	cpu  time.Duration // of the server, per device
	took []time.Duration

	resumed float64 // share of TLS sessions
}

func (a *admission) run(ctx context.Context, b *bed, o options) error {
	before := a.server.CPU()
	s, err := swarm.Connect(ctx, a.to, a.devices, o.dialers, a.then)
	if err != nil {
		return err
	}
	run := admissionRun{
		rate: float64(len(a.devices)) / s.Elapsed.Seconds(), took: s.Took,
		resumed: float64(s.Resumed.Load()) / float64(len(a.devices)),
		cpu:     (a.server.CPU() - before) / time.Duration(len(a.devices)),
	}
	a.runs = append(a.runs, run)
	b.progress("%s: %.0f/s", a.what, run.rate)
	s.Close()
	return a.server.Quiet(ctx)
}

func (r admissionRun) perSecond() float64 { return r.rate }
func (r admissionRun) cost() float64      { return float64(r.cpu) / float64(time.Microsecond) }
func (r admissionRun) median() float64    { return report.Milliseconds(r.took, 0.5) }
func (r admissionRun) late() float64      { return report.Milliseconds(r.took, 0.99) }
