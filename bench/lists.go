package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/store/redisserver"
)

// lists measures pages of a long list of devices, in every order and by every filter, and
// the impact of actions on a large group, over HTTP, several clients at the same time,
// while a device has handshakes and the readiness check is called.
func lists(ctx context.Context, b *bed, o options) (*report.Result, error) {
	const coming = 100 // devices that connect now and then
	if o.devices < o.online+coming {
		return nil, fmt.Errorf("--devices: at least %d, since %d are connected", o.online+coming, o.online)
	}
	r := &report.Result{Setting: []string{
		process.Machine(),
		fmt.Sprintf("%d devices, %d of them connected; %d of them in one group, 1 in 500 in another", o.devices, o.online, o.devices/4),
		fmt.Sprintf("%d clients at the same time, connections kept open, at least %d requests of each kind", o.clients, o.asked),
		"muster: restarted on the stored fleet; its own redis-server, append-only, in " + b.fleet,
	}}
	m, err := b.stockLists(ctx, o, r)
	if err != nil {
		return nil, err
	}
	devices, err := m.rotate(ctx, o, o.online+coming)
	if err != nil {
		return nil, err
	}
	s, err := swarm.Connect(ctx, m.mqtt, devices[coming:], o.dialers, func(i int, c *mqttlite.Conn) error {
		_, err := device.Greet(c, devices[coming+i].ID, device.Greeting(product, runs(coming+i)))
		return err
	})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	probes, err := m.probes(ctx, b, devices[:coming])
	if err != nil {
		return nil, err
	}
	m.HTTP = newClient(o.clients)
	a := &asking{bed: b, server: m.Process, owner: m.Client, options: o, client: m.HTTP}
	err = a.everything(ctx)
	for _, p := range probes {
		p.stop()
		if err == nil && p.err != nil {
			err = fmt.Errorf("%s: %w", p.what, p.err)
		}
	}
	if err != nil {
		return nil, err
	}
	full, _, _, err := settled(ctx, m.Process, o, nil)
	if err != nil {
		return nil, err
	}
	r.Add("RSS after the lists", "MiB", []float64{float64(full) / (1 << 20)}, nil)
	r.AtMost("slowest p99 of a list", "ms", slowest(a.found), 50)
	r.AtMost("slowest p99 of an impact", "ms", slowest(a.weighed), 50)
	r.Asked = slices.Concat(a.found, a.weighed)
	for _, p := range probes {
		r.Asked = append(r.Asked, report.Summary("meanwhile: "+p.what, p.took))
	}
	return r, m.Alive()
}

// stockLists starts Muster on a fleet, which it loads first if there is none.
func (b *bed) stockLists(ctx context.Context, o options, r *report.Result) (*muster, error) {
	if _, err := os.Stat(filepath.Join(b.fleet, "complete")); err != nil {
		if err := b.load(ctx, o, r); err != nil {
			return nil, err
		}
	}
	b.progress("starting muster on %d devices", o.devices)
	began := time.Now()
	m, err := b.startMuster(ctx, o)
	if err != nil {
		return nil, err
	}
	r.Add("start until lists are ready", "s", []float64{time.Since(began).Seconds()}, nil)
	now, peak, _, err := settled(ctx, m.Process, o, nil)
	if err != nil {
		return nil, err
	}
	r.Add("RSS after the start", "MiB", []float64{float64(now) / (1 << 20)}, nil)
	r.Add("most while starting", "MiB", []float64{float64(peak) / (1 << 20)}, nil)
	return m, nil
}

// probes watches Redis, by PINGs on its socket, and handshakes of devices that come and go.
func (m *muster) probes(ctx context.Context, b *bed, spare []swarm.Credentials) ([]*probe, error) {
	socket, err := redisserver.FindSocket(filepath.Join(b.fleet, "data", "redis"))
	if err != nil {
		return nil, err
	}
	redis, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = redis.Close() })
	ping := func() error {
		if _, err := redis.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		answer := make([]byte, len("+PONG\r\n"))
		_, err := redis.Read(answer)
		return err
	}
	turn := 0
	hello := func() error {
		turn++
		n := turn % len(spare)
		swarm, err := swarm.Connect(ctx, m.mqtt, spare[n:n+1], 1, func(_ int, c *mqttlite.Conn) error {
			_, err := device.Greet(c, spare[n].ID, device.Greeting(product, runs(n)))
			return err
		})
		if err == nil {
			swarm.Close()
		}
		return err
	}
	return []*probe{
		startProbe(ctx, "PING of Redis", 2*time.Millisecond, ping),
		startProbe(ctx, "a device connects and shakes hands", 50*time.Millisecond, hello),
	}, nil
}
