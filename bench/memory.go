package main

import (
	"context"
	"fmt"

	"github.com/muster-iot/muster/simulator/mqttlite"
)

// memory measures what a server needs for devices that are connected and idle: resident
// memory with them less the same without, both after a rest.
func memory(ctx context.Context, b *bed, o options) (*report, error) {
	r := &report{Setting: []string{
		machine(),
		fmt.Sprintf("%d devices, %d runs each, a rest of %v before memory is read", o.devices, o.runs, o.settle),
		"muster: started anew on a stored fleet; every device has had its handshake; without its redis-server",
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
	rss := r.add("RSS per device", "KiB", numbers(ours, footprint.perDevice), numbers(theirs, footprint.perDevice))
	r.add("most while connecting, per device", "KiB", numbers(ours, footprint.peakPerDevice), numbers(theirs, footprint.peakPerDevice))
	r.add("whole RSS per device, nothing subtracted", "KiB", numbers(ours, footprint.whole), numbers(theirs, footprint.whole))
	r.add("Go stacks per device", "KiB", numbers(ours, footprint.stackPerDevice), nil)
	r.add("Go heap per device", "KiB", numbers(ours, footprint.heapPerDevice), nil)
	r.add("RSS before", "MiB", numbers(ours, footprint.before), numbers(theirs, footprint.before))
	r.atMost("RSS per idle device", "KiB", rss.Muster.median(), 30)
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
		f, err := m.footprint(ctx, b, o, m.gauges, func() (*swarm, error) {
			return connect(ctx, m.mqtt, devices, o.dialers, func(i int, c *mqttlite.Conn) error {
				return handshake(c, devices[i].id, greeting(1), 1)
			})
		})
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	m.stop()
	return all, nil
}

func mosquittoFootprints(ctx context.Context, b *bed, o options, r *report) (all []footprint, err error) {
	for range o.runs {
		m, devices, err := b.startMosquitto(ctx, o, o.window)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			r.Setting = append(r.Setting, "mosquitto "+m.version+": every device is subscribed to its own topics")
		}
		f, err := m.footprint(ctx, b, o, nil, func() (*swarm, error) {
			return connect(ctx, m.mqtt, devices[:o.devices], o.dialers, func(i int, c *mqttlite.Conn) error {
				return subscribe(c, "d/"+devices[i].id+"/down/#")
			})
		})
		if err != nil {
			return nil, err
		}
		m.stop()
		all = append(all, f)
	}
	return all, nil
}

// footprint reads the memory of the server before connect and after it, and ends the
// connections. inside, where there is one, looks into the process.
func (p *process) footprint(ctx context.Context, b *bed, o options, inside func(context.Context) (gauges, error), connect func() (*swarm, error)) (f footprint, err error) {
	f.devices = o.devices
	if f.base, _, f.baseGo, err = p.settled(ctx, o, inside); err != nil {
		return f, err
	}
	s, err := connect()
	if err != nil {
		return f, err
	}
	defer s.close()
	b.say("%s: %d devices are connected", p.name, o.devices)
	if f.full, f.peak, f.fullGo, err = p.settled(ctx, o, inside); err != nil {
		return f, err
	}
	b.say("%s: %.1f KiB per device", p.name, f.perDevice())
	return f, s.alive(ctx)
}

// settled is the memory of the server after a rest.
func (p *process) settled(ctx context.Context, o options, inside func(context.Context) (gauges, error)) (now, peak int64, g gauges, err error) {
	if err := pause(ctx, o.settle); err != nil {
		return 0, 0, g, err
	}
	if now, peak, err = resident(p.pid); err != nil || inside == nil {
		return now, peak, g, err
	}
	g, err = inside(ctx)
	return now, peak, g, err
}
