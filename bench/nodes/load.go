package nodes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/server"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// usage is what servers and Redis have done and used since they started.
type usage struct {
	servers, redis                            time.Duration // of processors
	reads, writes, operations, calls, in, out float64
}

// used returns the usage of s until now.
func (s *setup) used(ctx context.Context) (u usage, err error) {
	for _, each := range s.servers {
		u.servers += process.CPUTime(each.PID)
		text, err := each.Metrics(ctx)
		if err != nil {
			return u, err
		}
		for name, sum := range map[string]*float64{
			`muster_store_trips_total{kind="read"}`: &u.reads, `muster_store_trips_total{kind="write"}`: &u.writes,
			`muster_store_operations_total{kind="read"}`: &u.operations, `muster_store_operations_total{kind="write"}`: &u.operations,
		} {
			n, err := server.Metric(text, name)
			if err != nil {
				return u, err
			}
			*sum += n
		}
	}
	i, err := s.redis.info()
	for _, pid := range i.pids {
		u.redis += process.CPUTime(pid)
	}
	u.calls, u.in, u.out = i.numbers["total_commands_processed"], i.numbers["total_net_input_bytes"], i.numbers["total_net_output_bytes"]
	return u, err
}

// each is the share of one of n.
func (u usage) each(n float64) usage {
	return usage{
		servers: time.Duration(float64(u.servers) / n), redis: time.Duration(float64(u.redis) / n),
		reads: u.reads / n, writes: u.writes / n, operations: u.operations / n, calls: u.calls / n, in: u.in / n, out: u.out / n,
	}
}

func (u usage) less(v usage) usage {
	return usage{
		servers: u.servers - v.servers, redis: u.redis - v.redis,
		reads: u.reads - v.reads, writes: u.writes - v.writes, operations: u.operations - v.operations, calls: u.calls - v.calls, in: u.in - v.in, out: u.out - v.out,
	}
}

// beyond is the usage from before to u, which took some time, without idle, which is that of each second.
func (u usage) beyond(before, idle usage, took time.Duration) usage {
	return u.less(before).less(idle.each(1 / took.Seconds()))
}

func (u usage) traffic() []float64 {
	return []float64{u.reads, u.writes, u.operations, u.calls, u.in, u.out, microseconds(u.servers), microseconds(u.redis)}
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// admission is one run in which all devices connected, until each had its Welcome.
type admission struct {
	rate float64
	used usage // for each device
	took []time.Duration
}

func (a admission) perSecond() float64   { return a.rate }
func (a admission) serversCPU() float64  { return microseconds(a.used.servers) }
func (a admission) redisCPU() float64    { return microseconds(a.used.redis) }
func (a admission) medianTook() float64  { return report.Milliseconds(a.took, 0.5) }
func (a admission) slowestTook() float64 { return report.Milliseconds(a.took, 0.99) }

// connect connects devices, the same part of them to each server each time, so that none is taken over,
// and runs then for each.
func connect(ctx context.Context, to []*server.Muster, devices []swarm.Credentials, dialers int, then func(d swarm.Credentials, c *mqttlite.Conn) error) ([]*swarm.Swarm, error) {
	swarms, failed := make([]*swarm.Swarm, len(to)), make([]error, len(to))
	var wait sync.WaitGroup
	for i, each := range to {
		wait.Go(func() {
			part := devices[i*len(devices)/len(to) : (i+1)*len(devices)/len(to)]
			swarms[i], failed[i] = swarm.Connect(ctx, swarm.Target{Address: each.MQTT}, part, max(dialers/len(to), 1), func(n int, c *mqttlite.Conn) error {
				return then(part[n], c)
			})
		})
	}
	wait.Wait()
	err := errors.Join(failed...)
	if err != nil {
		disconnect(swarms)
	}
	return swarms, err
}

func disconnect(swarms []*swarm.Swarm) {
	for _, s := range swarms {
		if s != nil {
			s.Close()
		}
	}
}

// handshakes connects devices, which run a version that is the target, to some servers of s.
func (s *setup) handshakes(ctx context.Context, to []*server.Muster, product string, devices []swarm.Credentials, dialers int, version uint32, idle usage) (a admission, err error) {
	var swarms []*swarm.Swarm
	defer func() { disconnect(swarms) }()
	used, err := s.during(ctx, idle, func() error {
		began := time.Now()
		swarms, err = connect(ctx, to, devices, dialers, func(d swarm.Credentials, c *mqttlite.Conn) error {
			return device.Handshake(c, d.ID, device.Greeting(product, version), version)
		})
		a.rate = float64(len(devices)) / time.Since(began).Seconds()
		return err
	})
	a.used = used.each(float64(len(devices)))
	for _, each := range swarms {
		if each != nil {
			a.took = append(a.took, each.Took...)
		}
	}
	return a, err
}

// admissions measures handshakes several times.
func (l *lab) admissions(ctx context.Context, s *setup, what string, devices []swarm.Credentials, t *report.Table) error {
	var all []admission
	for range runs + 1 { // the first one stores what devices reported and warms up
		a, err := s.handshakes(ctx, s.servers, product, devices, l.Dialers, 1, usage{})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		l.Progress("%s: %.0f/s", what, a.rate)
		all = append(all, a)
		if err := s.quiet(ctx); err != nil {
			return err
		}
	}
	var values []float64
	for _, number := range []func(admission) float64{admission.perSecond, admission.serversCPU, admission.redisCPU, admission.medianTook, admission.slowestTook} {
		values = append(values, report.Median(report.Numbers(all[1:], number)))
	}
	t.Add(what, values...)
	return nil
}

const (
	fewer     = 300              // devices that connect one after the other, or are updated
	watched   = 10 * time.Second // of idle servers
	imageSize = 256 << 10
)

// exchanges measures what servers and Redis exchange: idle, and beyond that for each handshake and
// update.
func (l *lab) exchanges(ctx context.Context, s *setup, what string, devices []swarm.Credentials, t *report.Table) error {
	if err := errors.Join(process.Pause(ctx, l.Settle), s.quiet(ctx)); err != nil { // the ends of connections are not idle
		return err
	}
	idle, err := s.during(ctx, usage{}, func() error { return process.Pause(ctx, watched) })
	if err != nil {
		return err
	}
	idle = idle.each(watched.Seconds())
	t.Add(what+": idle, each second", idle.traffic()...)

	some := devices[:min(fewer, len(devices))]
	for _, way := range []struct {
		what    string
		to      []*server.Muster
		devices []swarm.Credentials
		dialers int
	}{{fmt.Sprintf("a handshake, %d at a time", l.Dialers), s.servers, devices, l.Dialers}, {"a handshake, one at a time", s.servers[:1], some, 1}} {
		a, err := s.handshakes(ctx, way.to, product, way.devices, way.dialers, 1, idle)
		if err != nil {
			return err
		}
		t.Add(what+": "+way.what, a.used.traffic()...)
		if err := s.quiet(ctx); err != nil {
			return err
		}
	}
	update, err := l.updates(ctx, s, fmt.Sprintf("updates-%d", len(s.servers)), len(some), idle)
	if err != nil {
		return fmt.Errorf("updates, %s: %w", what, err)
	}
	t.Add(fmt.Sprintf("%s: an update of %d KiB, with the next handshake", what, imageSize>>10), update.traffic()...)
	return nil
}

// during returns the usage of s while work runs, without what it uses in each second when it is idle.
func (s *setup) during(ctx context.Context, idle usage, work func() error) (usage, error) {
	before, err := s.used(ctx)
	if err != nil {
		return usage{}, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return usage{}, err
	}
	after, err := s.used(ctx)
	return after.beyond(before, idle, time.Since(began)), err
}

// updates returns the usage of an update of each of n devices: from the connection over Offer,
// chunks and Reports to the handshake that confirms it.
func (l *lab) updates(ctx context.Context, s *setup, product string, n int, idle usage) (usage, error) {
	devices, err := s.stock(ctx, product, n, []byte("what runs"))
	if err != nil {
		return usage{}, err
	}
	if _, err := s.handshakes(ctx, s.servers, product, devices, l.Dialers, 1, usage{}); err != nil {
		return usage{}, err
	}
	image := make([]byte, imageSize)
	_, _ = rand.NewChaCha8([32]byte{}).Read(image)
	m := s.servers[0]
	if err := errors.Join(m.Upload(ctx, product, "2", image), m.Release(ctx, product, "2"), process.Pause(ctx, 2*time.Second), s.quiet(ctx)); err != nil {
		return usage{}, err
	}
	used, err := s.during(ctx, idle, func() error {
		swarms, err := connect(ctx, s.servers, devices, l.Dialers, func(d swarm.Credentials, c *mqttlite.Conn) error {
			download := &device.Download{ID: d.ID, Conn: c, Hello: device.Greeting(product, 1), Target: 2}
			if err := download.Run(); err != nil {
				return err
			}
			return download.Finish()
		})
		if err != nil {
			return err
		}
		disconnect(swarms)
		_, err = s.handshakes(ctx, s.servers, product, devices, l.Dialers, 2, usage{})
		return err
	})
	l.Progress("%d updates", n)
	return used.each(float64(n)), errors.Join(err, s.quiet(ctx))
}
