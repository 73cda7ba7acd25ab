package main

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// memory measures what a server needs for devices that are connected and idle: resident
// memory with them less the same without, both after a rest.
func memory(ctx context.Context, b *bed, o options) (*report.Result, error) {
	r := &report.Result{Setting: []string{
		process.Machine(),
		fmt.Sprintf("%d devices, %d runs each, a rest of %v before memory is read", o.devices, o.runs, o.settle),
		"muster: restarted on a stored fleet; every device has had its handshake; without its redis-server",
	}}
	var ours, theirs []footprint
	var err error
	if o.sides.muster() {
		if ours, err = musterFootprints(ctx, b, o); err != nil {
			return nil, fmt.Errorf("muster: %w", err)
		}
	}
	if o.sides.mosquitto() {
		if theirs, err = mosquittoFootprints(ctx, b, o, r); err != nil {
			return nil, fmt.Errorf("mosquitto: %w", err)
		}
	}
	rss := r.Add("RSS per device", "KiB", report.Numbers(ours, footprint.perDevice), report.Numbers(theirs, footprint.perDevice))
	r.Add("most while connecting, per device", "KiB", report.Numbers(ours, footprint.peakPerDevice), report.Numbers(theirs, footprint.peakPerDevice))
	r.Add("whole RSS per device, nothing subtracted", "KiB", report.Numbers(ours, footprint.whole), report.Numbers(theirs, footprint.whole))
	r.Add("Go stacks per device", "KiB", report.Numbers(ours, footprint.stackPerDevice), nil)
	r.Add("Go heap per device", "KiB", report.Numbers(ours, footprint.heapPerDevice), nil)
	r.Add("RSS before", "MiB", report.Numbers(ours, footprint.before), report.Numbers(theirs, footprint.before))
	r.AtMost("RSS per idle device", "KiB", rss.Muster.Got(), 30)
	return r, nil
}

// footprint is a server's memory without devices and with them, in bytes.
type footprint struct {
	devices          int
	base, full, peak int64
	baseGo, fullGo   gauges // Muster's only
}

func (f footprint) each(bytes float64) float64 { return bytes / float64(f.devices) / (1 << 10) }
func (f footprint) perDevice() float64         { return f.each(float64(f.full - f.base)) }
func (f footprint) peakPerDevice() float64     { return f.each(float64(f.peak - f.base)) }
func (f footprint) whole() float64             { return f.each(float64(f.full)) }
func (f footprint) stackPerDevice() float64    { return f.each(f.fullGo.stack - f.baseGo.stack) }
func (f footprint) heapPerDevice() float64     { return f.each(f.fullGo.heap - f.baseGo.heap) }
func (f footprint) before() float64            { return float64(f.base) / (1 << 20) }

func musterFootprints(ctx context.Context, b *bed, o options) (all []footprint, err error) {
	m, devices, err := b.stock(ctx, o, []byte("firmware that runs already"))
	if err != nil {
		return nil, err
	}
	for range o.runs {
		if m, err = m.restart(ctx, b, o); err != nil {
			return nil, err
		}
		f, err := footprintOf(ctx, m.Process, b, o, m.gauges, func() (*swarm.Swarm, error) {
			return swarm.Connect(ctx, m.mqtt, devices, o.dialers, func(i int, c *mqttlite.Conn) error {
				return device.Handshake(c, devices[i].ID, device.Greeting(product, 1), 1)
			})
		})
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	m.Stop()
	return all, nil
}

func mosquittoFootprints(ctx context.Context, b *bed, o options, r *report.Result) (all []footprint, err error) {
	for range o.runs {
		m, devices, err := b.startMosquitto(ctx, o, o.window)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			r.Setting = append(r.Setting, "mosquitto "+m.version+": every device is subscribed to its own topics")
		}
		f, err := footprintOf(ctx, m.Process, b, o, nil, func() (*swarm.Swarm, error) {
			return swarm.Connect(ctx, m.mqtt, devices[:o.devices], o.dialers, func(i int, c *mqttlite.Conn) error {
				return subscribe(c, "d/"+devices[i].ID+"/down/#")
			})
		})
		if err != nil {
			return nil, err
		}
		m.Stop()
		all = append(all, f)
	}
	return all, nil
}

// footprintOf reads the memory of the server before connect and after it, and ends the
// connections. inside, where there is one, looks into the process.
func footprintOf(ctx context.Context, p *process.Process, b *bed, o options, inside func(context.Context) (gauges, error), connect func() (*swarm.Swarm, error)) (f footprint, err error) {
	f.devices = o.devices
	if f.base, _, f.baseGo, err = settled(ctx, p, o, inside); err != nil {
		return f, err
	}
	s, err := connect()
	if err != nil {
		return f, err
	}
	defer s.Close()
	b.progress("%s: %d devices are connected", p.Name, o.devices)
	if f.full, f.peak, f.fullGo, err = settled(ctx, p, o, inside); err != nil {
		return f, err
	}
	b.progress("%s: %.1f KiB per device", p.Name, f.perDevice())
	return f, s.Alive(ctx)
}

// settled is the memory of the server after a rest.
func settled(ctx context.Context, p *process.Process, o options, inside func(context.Context) (gauges, error)) (now, peak int64, g gauges, err error) {
	if err := process.Pause(ctx, o.settle); err != nil {
		return 0, 0, g, err
	}
	if now, peak, err = process.Resident(p.PID); err != nil || inside == nil {
		return now, peak, g, err
	}
	g, err = inside(ctx)
	return now, peak, g, err
}
