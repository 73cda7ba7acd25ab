package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

const (
	haltPause = time.Second     // of a device between two windows
	haltAfter = 5 * time.Second // that a device listens for late chunks
)

// halt measures how soon devices get no more chunks once an operator halts the release that they
// download, all at the same time.
func halt(ctx context.Context, b *bed, o options) (*report.Result, error) {
	if !o.sides.muster() {
		return nil, errors.New("--servers: Mosquitto has nothing to halt")
	}
	rate := float64(o.devices) * float64(o.window) * float64(o.chunks[0]) / (1 << 20) / haltPause.Seconds()
	r := &report.Result{Setting: []string{
		process.Machine(),
		fmt.Sprintf("%d devices download %s, each %d chunks of %s every %v: %.0f MiB/s in all; %d runs", o.devices, mebibytes(o.size), o.window, kibibytes(o.chunks[0]), haltPause, rate, o.runs),
		"muster: redis-server of its own, append-only; a release with a plan, which is halted over REST while all download",
	}}
	m, devices, err := b.stock(ctx, o, []byte("what runs"))
	if err != nil {
		return nil, err
	}
	var found []halted
	for n := range o.runs {
		v, err := b.haltOnce(ctx, m, devices, uint32(n)+2, o)
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	add := func(what string, number func(halted) float64) report.Row {
		return r.Add(what, "s", report.Numbers(found, number), nil)
	}
	last := add("last chunk after the request to halt, of any device", func(h halted) float64 { return slices.Max(h.chunks) })
	add("the same, of 99 % of the devices", func(h halted) float64 { return h.chunks[len(h.chunks)*99/100] })
	add("answer to the request", func(h halted) float64 { return h.answered })
	add("last Stop after the request", func(h halted) float64 { return slices.Max(h.stops) })
	r.AtMost("last chunk after the halt", "s", last.Muster.Got(), 1)
	return r, m.Alive()
}

// halted is what came of one halt, in seconds since the request, each in order.
type halted struct {
	chunks, stops []float64 // the last chunk and the Stop of each device
	answered      float64
}

// haltOnce releases version n, has all devices download it, halts it and takes it back.
func (b *bed) haltOnce(ctx context.Context, m *muster, devices []swarm.Credentials, n uint32, o options) (v halted, err error) {
	version := fleet.WholeVersion(n).String()
	if err := m.Upload(ctx, product, version, image(o.size, n)); err != nil {
		return v, err
	}
	s, err := swarm.Connect(ctx, m.mqtt, devices, o.dialers, func(i int, c *mqttlite.Conn) error {
		return device.Handshake(c, devices[i].ID, device.Greeting(product, 1), 1)
	})
	if err != nil {
		return v, err
	}
	defer s.Close()
	id, err := m.releaseByPlan(ctx, version)
	if err != nil {
		return v, err
	}
	var began atomic.Int64
	running := make([]*device.Trickle, len(devices))
	ended := make(chan error, 1)
	for i, c := range s.Conns {
		hello := device.Greeting(product, 1)
		hello.Chunk, hello.Window = o.chunks[0], o.window
		running[i] = &device.Trickle{
			ID: devices[i].ID, Conn: c, Hello: hello, Pause: haltPause, Phase: haltPause * time.Duration(i) / time.Duration(len(devices)),
			After: haltAfter, Began: func() { began.Add(1) },
		}
	}
	go func() {
		ended <- s.Each(ctx, func(_ context.Context, i int, _ *mqttlite.Conn) error { return running[i].Run() })
	}()
	err = process.Poll(ctx, 2*time.Minute, "downloads of all devices", func() (bool, error) {
		return began.Load() == int64(len(devices)), m.Alive()
	})
	if err == nil {
		err = process.Pause(ctx, 3*haltPause)
	}
	asked := time.Now()
	if err == nil {
		b.progress("%d devices download; halting", len(devices))
		err = m.act(ctx, id, "halt")
	}
	v.answered = time.Since(asked).Seconds()
	if err != nil {
		s.Close()
		return v, errors.Join(err, <-ended)
	}
	if err := <-ended; err != nil {
		return v, err
	}
	for _, d := range running {
		v.chunks = append(v.chunks, d.LastChunk.Sub(asked).Seconds())
		v.stops = append(v.stops, d.Stopped.Sub(asked).Seconds())
		if d.Late > 0 {
			return v, fmt.Errorf("%s: %d chunks after its Stop", d.ID, d.Late)
		}
	}
	slices.Sort(v.chunks)
	slices.Sort(v.stops)
	b.progress("last chunk after %.2f s, last Stop after %.2f s", slices.Max(v.chunks), slices.Max(v.stops))
	return v, errors.Join(m.act(ctx, id, "revert"), m.Quiet(ctx))
}

// releaseByPlan releases version to every device, by a plan that never ends, and returns its id.
func (m *muster) releaseByPlan(ctx context.Context, version string) (id uint32, err error) {
	var out struct {
		Release struct {
			ID uint32 `json:"id"`
		} `json:"release"`
	}
	plan := map[string]any{"stages": []map[string]any{{"share": "100%", "hold": "24h"}}}
	release := map[string]any{"version": version, "product_default": true, "plan": plan}
	err = m.Call(ctx, http.MethodPut, "/v1/products/"+product+"/firmware/release", release, &out)
	return out.Release.ID, err
}

// act takes an action on a release.
func (m *muster) act(ctx context.Context, id uint32, action string) error {
	return m.Call(ctx, http.MethodPost, fmt.Sprintf("/v1/products/%s/releases/%d/actions", product, id), map[string]any{"action": action}, nil)
}
