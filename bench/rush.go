package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// rush measures what memory a server takes when every idle device begins to download at
// the same moment: the most that was resident until the last had verified its image,
// less what was resident with the same devices idle.
func rush(ctx context.Context, b *bed, o options) (*report.Result, error) {
	r := &report.Result{Setting: []string{
		process.Machine(),
		fmt.Sprintf("%d devices × %s, chunk %s, window %d, %d runs each, a rest of %v before memory is read", o.devices, mebibytes(o.size), kibibytes(o.chunks[0]), o.window, o.runs, o.settle),
		"muster: restarted; idle after a handshake; then a release, and a Hello of every device at once",
	}}
	f := &deliveries{bed: b, options: o, version: 1}
	if err := f.start(ctx, r); err != nil {
		return nil, err
	}
	var ours, theirs []surge
	for range o.runs {
		if o.sides.muster() {
			v, err := f.rushMuster(ctx)
			if err != nil {
				return nil, fmt.Errorf("muster: %w", err)
			}
			ours = append(ours, v)
		}
		if o.sides.mosquitto() {
			v, err := f.rushMosquitto(ctx)
			if err != nil {
				return nil, fmt.Errorf("mosquitto: %w", err)
			}
			theirs = append(theirs, v)
		}
	}
	growth := r.Add("RSS growth, most", "MiB", report.Numbers(ours, surge.growth), report.Numbers(theirs, surge.growth))
	r.Add("RSS connected and idle", "MiB", report.Numbers(ours, surge.before), report.Numbers(theirs, surge.before))
	r.Add("until the last is verified", "s", report.Numbers(ours, surge.seconds), report.Numbers(theirs, surge.seconds))
	verified := r.Add("devices verified", "", report.Numbers(ours, surge.good), report.Numbers(theirs, surge.good))
	r.Add("server busy, Hello again", "", report.Numbers(ours, surge.turnedAway), nil)
	r.Add("nothing came for 10 s", "", report.Numbers(ours, surge.stalled), nil)
	r.AtMost("RSS growth over idle", "MiB", growth.Muster.Got(), 64)
	r.AtLeast("devices verified, none dropped", verified.Muster.Got(), float64(o.devices), 0)
	return r, nil
}

// surge is one rush.
type surge struct {
	idle, peak int64 // bytes resident
	elapsed    time.Duration
	verified   int
	busy, late int
}

func (s surge) growth() float64     { return float64(s.peak-s.idle) / (1 << 20) }
func (s surge) before() float64     { return float64(s.idle) / (1 << 20) }
func (s surge) seconds() float64    { return s.elapsed.Seconds() }
func (s surge) good() float64       { return float64(s.verified) }
func (s surge) turnedAway() float64 { return float64(s.busy) }
func (s surge) stalled() float64    { return float64(s.late) }

// rushMuster uploads a new version, restarts the server so that its memory holds nothing
// of that, and releases the version once all devices are idle.
func (f *deliveries) rushMuster(ctx context.Context) (surge, error) {
	from, to := f.version, f.version+1
	if err := f.ours.Upload(ctx, product, fmt.Sprint(to), image(f.options.size, to)); err != nil {
		return surge{}, err
	}
	var err error
	if f.ours, err = f.ours.restart(ctx, f.bed, f.options); err != nil {
		return surge{}, err
	}
	target := from
	if from == 1 {
		target = 0 // nothing is released yet
	}
	s, err := swarm.Connect(ctx, f.ours.mqtt, f.ourDevices, f.options.dialers, func(i int, c *mqttlite.Conn) error {
		return device.Handshake(c, f.ourDevices[i].ID, device.Greeting(product, from), target)
	})
	if err != nil {
		return surge{}, err
	}
	defer s.Close()
	downloads := f.downloads(s, from, to, f.options.chunks[0])
	v, err := f.surge(ctx, f.ours.Process, s, func() error {
		return f.ours.Release(ctx, product, fmt.Sprint(to))
	}, func(i int) error {
		if err := downloads[i].Run(); err != nil {
			return err
		}
		return downloads[i].Finish()
	})
	f.version = to
	v.busy, v.late = f.bed.logDelays(downloads)
	return v, errors.Join(err, f.ours.Quiet(ctx))
}

// rushMosquitto restarts Mosquitto and sends the image to everyone.
func (f *deliveries) rushMosquitto(ctx context.Context) (surge, error) {
	f.other.Stop()
	if err := f.startOther(ctx); err != nil {
		return surge{}, err
	}
	s, p, err := f.subscribed(ctx)
	if err != nil {
		return surge{}, err
	}
	defer s.Close()
	defer p.Close()
	r := f.relay(f.options.chunks[0])
	sent := make(chan error, 1)
	v, err := f.surge(ctx, f.other.Process, s, func() error {
		go func() { sent <- r.send(ctx, p.Conns[0]) }()
		return nil
	}, func(i int) error { return r.receive(s.Conns[i]) })
	p.Close()
	return v, errors.Join(err, <-sent)
}

// surge lets the devices rest, begins, and has all of them download at once. A device
// that fails is not verified; the first failures are logged.
func (f *deliveries) surge(ctx context.Context, server *process.Process, s *swarm.Swarm, begin func() error, download func(i int) error) (v surge, err error) {
	f.bed.progress("%s: %d devices are connected", server.Name, len(s.Conns))
	if v.idle, _, _, err = settled(ctx, server, f.options, nil); err != nil {
		return v, err
	}
	if err := errors.Join(process.ResetPeak(server.PID), begin()); err != nil {
		return v, err
	}
	var verified, failed atomic.Int64
	began := time.Now()
	stop := context.AfterFunc(ctx, s.Close)
	defer stop()
	var wait sync.WaitGroup
	for i := range s.Conns {
		wait.Go(func() {
			err := download(i)
			switch {
			case err == nil:
				verified.Add(1)
			case failed.Add(1) <= 5:
				f.bed.progress("%s: device %d: %v", server.Name, i, err)
			}
		})
	}
	wait.Wait()
	v.elapsed, v.verified = time.Since(began), int(verified.Load())
	if _, v.peak, err = process.Resident(server.PID); err != nil {
		return v, errors.Join(err, server.Alive())
	}
	f.bed.progress("%s: %d verified, RSS grew by %.1f MiB", server.Name, v.verified, v.growth())
	return v, ctx.Err()
}
