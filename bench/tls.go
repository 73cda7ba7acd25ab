package main

import (
	"context"
	"fmt"
	"os"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// overTLS measures what TLS adds: how fast a fleet connects with full handshakes and with
// resumed sessions, and how fast firmware arrives. A connection is made when CONNACK has come;
// for Muster the time until the Welcome is measured, too.
func overTLS(ctx context.Context, b *bed, o options) (*report.Result, error) {
	r := &report.Result{Setting: []string{
		process.Machine(),
		fmt.Sprintf("%d devices, %d being connected at a time, %d runs each, in turns; ECDSA P-256, X25519, TLS 1.3, tickets", o.devices, o.dialers, o.runs),
		fmt.Sprintf("firmware: %d devices × %s, window %d; every receiver decodes and hashes; each chunk is a TLS record of its own", o.loaded, mebibytes(o.size), o.window),
		"muster: redis-server of its own, append-only, in " + os.TempDir(),
	}}
	f := &deliveries{bed: b, options: o, version: 1}
	if err := f.start(ctx, r); err != nil {
		return nil, err
	}
	if err := f.compareHandshakes(ctx, r); err != nil {
		return nil, err
	}
	f.take(o.loaded)
	return r, f.compare(ctx, r, func(at string, rate, _ report.Row, chunk uint32) {
		if chunk == 4<<10 {
			r.AtLeast("verified bytes/s over TLS, Muster / Mosquitto"+at, rate.Ratio(), 2, 0)
		}
	})
}

// take leaves n devices and as many subscribers.
func (f *deliveries) take(n int) {
	f.options.devices = min(n, f.options.devices)
	if f.ours != nil {
		f.ourDevices = f.ourDevices[:f.options.devices]
	}
	if f.other != nil {
		last := len(f.subscribers) - 1
		f.subscribers = append(f.subscribers[:f.options.devices:f.options.devices], f.subscribers[last])
	}
}

// secured is one way to connect to one server over TLS.
type secured struct {
	what         string
	server       *process.Process
	to           swarm.Target
	devices      []swarm.Credentials
	then         func(i int, c *mqttlite.Conn) error
	full, resume admission
}

// run connects the fleet twice, the second time with the tickets of the first.
func (s *secured) run(ctx context.Context, b *bed, o options) error {
	to := s.to
	to.Caches = swarm.NewCaches(len(s.devices))
	for _, a := range []*admission{&s.full, &s.resume} {
		how := ", full"
		if a == &s.resume {
			how = ", resumed"
		}
		a.what, a.server, a.to, a.devices, a.then = s.what+how, s.server, to, s.devices, s.then
		if err := a.run(ctx, b, o); err != nil {
			return fmt.Errorf("%s: %w", a.what, err)
		}
	}
	if n := len(s.full.runs) - 1; s.full.runs[n].resumed != 0 {
		return fmt.Errorf("%s: sessions were resumed without a ticket", s.what)
	}
	return nil
}

func (f *deliveries) compareHandshakes(ctx context.Context, r *report.Result) error {
	var ours, welcomed, other secured
	var sides []*secured
	if f.ours != nil {
		devices := f.ourDevices
		ours = secured{what: "muster", server: f.ours.Process, to: f.ours.mqtt, devices: devices}
		welcomed = ours
		welcomed.what = "muster until the Welcome"
		welcomed.then = func(i int, c *mqttlite.Conn) error {
			return device.Handshake(c, devices[i].ID, device.Greeting(product, 1), 0)
		}
		sides = append(sides, &ours, &welcomed)
	}
	if f.other != nil {
		devices := f.subscribers[:len(f.subscribers)-1]
		other = secured{what: "mosquitto", server: f.other.Process, to: f.other.mqtt, devices: devices}
		sides = append(sides, &other)
	}
	for range f.options.runs {
		for _, s := range sides {
			if err := s.run(ctx, f.bed, f.options); err != nil {
				return err
			}
		}
	}
	add := func(what, unit string, ours, other *admission, number func(admissionRun) float64) report.Row {
		return r.Add(what, unit, report.Numbers(ours.runs, number), report.Numbers(other.runs, number))
	}
	full := add("connections, full handshake", "1/s", &ours.full, &other.full, admissionRun.perSecond)
	resumed := add("connections, resumed session", "1/s", &ours.resume, &other.resume, admissionRun.perSecond)
	add("sessions resumed", "", &ours.resume, &other.resume, func(a admissionRun) float64 { return a.resumed })
	add("until the Welcome : CONNACK, full handshake", "1/s", &welcomed.full, &other.full, admissionRun.perSecond)
	add("until the Welcome : CONNACK, resumed session", "1/s", &welcomed.resume, &other.resume, admissionRun.perSecond)
	add("server CPU, full handshake", "µs each", &ours.full, &other.full, admissionRun.cost)
	add("server CPU, resumed session", "µs each", &ours.resume, &other.resume, admissionRun.cost)
	add("p99, full handshake", "ms", &ours.full, &other.full, admissionRun.late)
	add("p99, resumed session", "ms", &ours.resume, &other.resume, admissionRun.late)
	r.AtLeast("full handshakes/s, Muster / Mosquitto", full.Ratio(), 0.8, 0)
	r.AtLeast("resumed handshakes/s, Muster / Mosquitto", resumed.Ratio(), 1.2, 0)
	return nil
}
