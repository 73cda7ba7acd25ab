package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// firmware measures how fast devices get an image they have verified, and what that
// costs the server. The clock runs from the moment all are connected until the last has
// checked the SHA-256; for Muster, Hello, decision and Offer lie within.
func firmware(ctx context.Context, b *bed, o options) (*report.Result, error) {
	r := &report.Result{Setting: []string{
		process.Machine(),
		fmt.Sprintf("%d devices × %s, window %d, %d runs each, in turns; every receiver decodes and hashes", o.devices, mebibytes(o.size), o.window, o.runs),
		"muster: devices' own downloads; redis-server of its own; its CPU is counted with muster's",
	}}
	f := &deliveries{bed: b, options: o, version: 1}
	if err := f.start(ctx, r); err != nil {
		return nil, err
	}
	return r, f.compare(ctx, r, func(at string, rate, cost report.Row, _ uint32) {
		r.AtLeast("verified bytes/s, Muster / Mosquitto"+at, rate.Ratio(), 2, 3)
		r.AtMost("server CPU per MiB, Muster / Mosquitto"+at, "", cost.Ratio(), 0.5)
	})
}

// compare measures both servers in turns, with each size of chunks. bars adds what has to be
// reached.
func (f *deliveries) compare(ctx context.Context, r *report.Result, bars func(at string, rate, cost report.Row, chunk uint32)) error {
	o := f.options
	for _, chunk := range o.chunks {
		var ours, theirs []delivery
		for range o.runs {
			if o.sides.muster() {
				d, err := f.muster(ctx, chunk)
				if err != nil {
					return fmt.Errorf("muster, chunk %d: %w", chunk, err)
				}
				ours = append(ours, d)
			}
			if o.sides.mosquitto() {
				d, err := f.mosquitto(ctx, chunk)
				if err != nil {
					return fmt.Errorf("mosquitto, chunk %d: %w", chunk, err)
				}
				theirs = append(theirs, d)
			}
		}
		at := fmt.Sprintf(", chunk %s", kibibytes(chunk))
		rate := r.Add("verified"+at, "MiB/s", report.Numbers(ours, delivery.rate), report.Numbers(theirs, delivery.rate))
		cost := r.Add("server CPU"+at, "ms/MiB", report.Numbers(ours, delivery.cost), report.Numbers(theirs, delivery.cost))
		r.Add("load generator CPU"+at, "ms/MiB", report.Numbers(ours, delivery.clientCost), report.Numbers(theirs, delivery.clientCost))
		bars(at, rate, cost, chunk)
	}
	return nil
}

// deliveries are the two servers and what they are to deliver.
type deliveries struct {
	bed     *bed
	options options
	version uint32 // what Muster's devices run

	ours        *muster
	ourDevices  []swarm.Credentials
	other       *mosquitto
	subscribers []swarm.Credentials // the publisher is the last
}

func (f *deliveries) start(ctx context.Context, r *report.Result) (err error) {
	if f.options.sides.muster() {
		if f.ours, f.ourDevices, err = f.bed.stock(ctx, f.options, nil); err != nil {
			return err
		}
	}
	if f.options.sides.mosquitto() {
		if err := f.startOther(ctx); err != nil {
			return err
		}
		r.Setting = append(r.Setting, "mosquitto "+f.other.version+": QoS 1, one publisher, "+f.options.topics.String()+", unlimited queues, no persistence, no log")
	}
	return nil
}

func (f *deliveries) startOther(ctx context.Context) (err error) {
	f.other, f.subscribers, err = f.bed.startMosquitto(ctx, f.options, f.options.window)
	return err
}

// subscribed connects Mosquitto's subscribers, and its publisher.
func (f *deliveries) subscribed(ctx context.Context) (subscribers, publisher *swarm.Swarm, err error) {
	last := len(f.subscribers) - 1
	topics := relayTopics(last, f.options.topics.shared())
	subscribers, err = swarm.Connect(ctx, f.other.mqtt, f.subscribers[:last], f.options.dialers, func(i int, c *mqttlite.Conn) error {
		return subscribe(c, topics[i])
	})
	if err != nil {
		return nil, nil, err
	}
	publisher, err = swarm.Connect(ctx, f.other.mqtt, f.subscribers[last:], 1, nil)
	if err != nil {
		subscribers.Close()
	}
	return subscribers, publisher, err
}

// relay sends the image through Mosquitto.
func (f *deliveries) relay(chunk uint32) *relay {
	topics := relayTopics(f.options.devices, f.options.topics.shared())
	return &relay{image: image(f.options.size, 1), chunk: chunk, window: f.options.window, topics: slices.Compact(topics)}
}

// delivery is one image, delivered to all devices.
type delivery struct {
	bytes   int64 // verified, of all devices
	elapsed time.Duration
	server  time.Duration // processor time
	client  time.Duration // processor time of the load generator
}

func (d delivery) mib() float64        { return float64(d.bytes) / (1 << 20) }
func (d delivery) rate() float64       { return d.mib() / d.elapsed.Seconds() }
func (d delivery) cost() float64       { return d.server.Seconds() * 1e3 / d.mib() }
func (d delivery) clientCost() float64 { return d.client.Seconds() * 1e3 / d.mib() }

// muster releases a new version, lets every device fetch it, and has it confirmed.
func (f *deliveries) muster(ctx context.Context, chunk uint32) (delivery, error) {
	from, to := f.version, f.version+1
	if err := f.ours.publish(ctx, to, image(f.options.size, to)); err != nil {
		return delivery{}, err
	}
	s, err := swarm.Connect(ctx, f.ours.mqtt, f.ourDevices, f.options.dialers, nil)
	if err != nil {
		return delivery{}, err
	}
	defer s.Close()
	downloads := f.downloads(s, from, to, chunk)
	d, err := f.measure("muster", f.ours.Process, chunk, func() error {
		return s.Each(ctx, func(_ context.Context, i int, _ *mqttlite.Conn) error { return downloads[i].Run() })
	})
	if err != nil {
		return d, err
	}
	f.version = to
	if err := s.Each(ctx, func(_ context.Context, i int, _ *mqttlite.Conn) error { return downloads[i].Finish() }); err != nil {
		return d, err
	}
	f.bed.logDelays(downloads)
	return d, f.ours.Quiet(ctx)
}

func (f *deliveries) downloads(s *swarm.Swarm, from, to, chunk uint32) []*device.Download {
	downloads := make([]*device.Download, len(s.Conns))
	for i, c := range s.Conns {
		hello := device.Greeting(product, from)
		hello.Chunk, hello.Window = chunk, f.options.window
		downloads[i] = &device.Download{ID: f.ourDevices[i].ID, Conn: c, Hello: hello, Target: to}
	}
	return downloads
}

// mosquitto has one publisher send the image to as many subscribers.
func (f *deliveries) mosquitto(ctx context.Context, chunk uint32) (delivery, error) {
	s, p, err := f.subscribed(ctx)
	if err != nil {
		return delivery{}, err
	}
	defer s.Close()
	defer p.Close()
	r := f.relay(chunk)
	d, err := f.measure("mosquitto", f.other.Process, chunk, func() error {
		sent := make(chan error, 1)
		go func() { sent <- r.send(ctx, p.Conns[0]) }()
		err := s.Each(ctx, func(_ context.Context, _ int, c *mqttlite.Conn) error { return r.receive(c) })
		if err != nil {
			p.Close()
		}
		if e := <-sent; err == nil {
			err = e
		}
		return err
	})
	if err != nil {
		return d, err
	}
	s.Close()
	p.Close()
	return d, f.other.Quiet(ctx)
}

// measure takes the time of deliver and the processor time of both ends.
func (f *deliveries) measure(name string, server *process.Process, chunk uint32, deliver func() error) (delivery, error) {
	serverBefore, clientBefore, began := server.CPU(), process.CPUTime(os.Getpid()), time.Now()
	if err := deliver(); err != nil {
		return delivery{}, err
	}
	d := delivery{
		bytes: f.options.size * int64(f.options.devices), elapsed: time.Since(began),
		server: server.CPU() - serverBefore, client: process.CPUTime(os.Getpid()) - clientBefore,
	}
	f.bed.progress("%s, chunk %s: %.0f MiB/s, server %.2f ms/MiB", name, kibibytes(chunk), d.rate(), d.cost())
	return d, nil
}

// logDelays logs what the devices had to wait for besides the chunks.
func (b *bed) logDelays(downloads []*device.Download) (busy, idle int) {
	for _, d := range downloads {
		busy += d.Busy
		idle += d.Idle
	}
	if busy+idle > 0 {
		b.progress("%d times the server was busy, %d times nothing came in time", busy, idle)
	}
	return busy, idle
}

// image is size bytes that don't compress, others for each n. The last is kept.
func image(size int64, n uint32) []byte {
	imageMu.Lock()
	defer imageMu.Unlock()
	if int64(len(lastImage)) != size || lastImageN != n {
		lastImage, lastImageN = make([]byte, size), n
		_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}).Read(lastImage)
	}
	return lastImage
}

var (
	imageMu    sync.Mutex
	lastImage  []byte
	lastImageN uint32
)

func mebibytes(n int64) string  { return report.Number(float64(n)/(1<<20)) + " MiB" }
func kibibytes(n uint32) string { return report.Number(float64(n)/(1<<10)) + " KiB" }
