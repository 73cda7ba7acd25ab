package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// within is how soon what was done at one server acts on a device of another. The bar is one second, on a
// machine that does nothing else.
const within = 5 * time.Second

// probes are devices of the operator's own, at a server of his choice: what they get right after an edit was
// answered elsewhere shows whether that server decided by what was before.
type probes struct {
	credentials []simulator.Credential
	decided     atomic.Int64 // decisions that were judged
	disabled    atomic.Int64 // connections that ended since their device was disabled

	mu    sync.Mutex
	wrong []string // guarded by mu
}

func (p *probes) report(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// probe may edit a probe, and then sends a Hello to a server.
func (r *round) probe(ctx context.Context, random *rand.Rand) error {
	all := r.cluster.probes.credentials
	c, at := all[random.IntN(len(all))], r.servers[random.IntN(len(r.servers))]
	switch random.IntN(5) {
	case 0:
		groups := r.someGroups(random)
		if err := r.edit(ctx, c.ID, api.DeviceUpdate{Groups: api.Some(api.Names(groups))}, func(u *unit) {
			clear(u.groups)
			for _, g := range groups {
				u.groups[g] = true
			}
		}); err != nil {
			return err
		}
	case 1:
		v := r.version(random)
		if err := r.edit(ctx, c.ID, api.DeviceUpdate{Lock: api.Some(v.api())}, func(u *unit) { u.lock = uint32(v) }); err != nil {
			return err
		}
	case 2:
		on := random.IntN(2) == 0
		if err := r.edit(ctx, c.ID, api.DeviceUpdate{Development: &on}, func(u *unit) { u.development = on }); err != nil {
			return err
		}
	case 3:
		return r.disable(ctx, c, at)
	}
	r.decide(ctx, c, at)
	return nil
}

// decide compares the decision of one server with the rules.
func (r *round) decide(ctx context.Context, c simulator.Credential, at *server) {
	r.world.mu.Lock()
	want := r.world.target(c.ID)
	r.world.mu.Unlock()
	conn, welcome, err := greet(ctx, directly(at), c)
	if err != nil {
		r.say("  no decision: %v", err) // a server that breaks may decide nothing
		return
	}
	_ = conn.Close()
	r.cluster.probes.decided.Add(1)
	if got := numberOf(welcome.Target); got != want {
		r.cluster.probes.report("%s decided that %s should run %d, the rules say %d: %s; %s", at.mqtt, c.ID, got, want, welcome.Why, r.why(ctx, c.ID))
	}
}

// edit changes one device, and the world with it.
func (r *round) edit(ctx context.Context, id fleet.DeviceID, u api.DeviceUpdate, effect func(*unit)) error {
	err := r.insist(ctx, "probe "+id.String(), func(ctx context.Context, s *server) error {
		_, err := s.client.UpdateDevice(ctx, product, id.String(), u)
		return err
	})
	if err == nil {
		r.world.change(r.world.each([]fleet.DeviceID{id}, effect))
	}
	return err
}

// disable disables a device that is connected: nothing it sends is acknowledged from then on, whatever
// is broken, and its connection ends.
func (r *round) disable(ctx context.Context, c simulator.Credential, at *server) error {
	conn, _, err := greet(ctx, directly(at), c)
	if err != nil {
		return nil //nolint:nilerr // a server that breaks takes no devices
	}
	defer func() { _ = conn.Close() }()
	ended, acknowledged := make(chan struct{}), atomic.Int64{}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var talking sync.WaitGroup
	defer talking.Wait()
	talking.Go(func() {
		for ctx.Err() == nil {
			if _, err := conn.Publish(wire.Topic{Speaker: c.ID, Kind: wire.TopicMessage, Name: "probe"}.String(), 1, []byte("x")); err != nil {
				return // the reader reports it
			}
			wait(ctx, 100*time.Millisecond)
		}
	})
	talking.Go(func() {
		defer close(ended)
		for ctx.Err() == nil {
			p, err := conn.Read(time.Now().Add(time.Hour))
			if err != nil {
				return
			}
			if p.Kind == mqtt.PubAck {
				acknowledged.Store(time.Now().UnixNano())
			}
		}
	})
	yes, no := true, false
	if err := r.edit(ctx, c.ID, api.DeviceUpdate{Disabled: &yes}, func(*unit) {}); err != nil {
		_ = conn.Close()
		return err
	}
	answered := time.Now()
	select {
	case <-ended:
		r.cluster.probes.disabled.Add(1)
	case <-ctx.Done():
	case <-time.After(healing):
		r.cluster.probes.report("%s kept the connection of %s %v after it was disabled", at.mqtt, c.ID, healing)
	}
	_ = conn.Close()
	if late := time.Unix(0, acknowledged.Load()).Sub(answered); late > within {
		r.cluster.probes.report("%s acknowledged what %s sent %v after it was disabled", at.mqtt, c.ID, late.Round(time.Millisecond))
	}
	return r.edit(ctx, c.ID, api.DeviceUpdate{Disabled: &no}, func(*unit) {})
}

// directly is the way to one server, past the balancer: from an address of which no header is expected.
func directly(s *server) mqttlite.Broker {
	return mqttlite.Broker{Scheme: "tcp", Host: s.mqtt, Source: net.IPv4(127, 0, 0, 2)}
}

// greet connects and shakes hands, for a device that takes no updates now.
func greet(ctx context.Context, broker mqttlite.Broker, c simulator.Credential) (*mqttlite.Conn, wire.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	id := c.ID.String()
	conn, err := mqttlite.Dial(ctx, broker, mqtt.Client{ID: id, User: id, Password: c.Secret, KeepAlive: 30 * time.Second})
	if err != nil {
		return nil, wire.Welcome{}, err
	}
	hello := wire.NewHello(c.Version)
	hello.UpdatesOn = false
	_, err = conn.Publish(wire.Topic{Speaker: c.ID, Kind: wire.TopicHello}.String(), 0, hello.Encode())
	deadline, _ := ctx.Deadline()
	for err == nil {
		var p mqtt.Packet
		if p, err = conn.Read(deadline); err != nil || p.Kind != mqtt.Publish {
			continue
		}
		topic, wrong := wire.ParseTopic(string(p.Topic))
		if wrong != nil || topic.Kind != wire.TopicWelcome {
			continue
		}
		var welcome wire.Welcome
		if welcome, err = wire.DecodeWelcome(p.Payload); err == nil {
			return conn, welcome, nil
		}
	}
	_ = conn.Close()
	return nil, wire.Welcome{}, err
}

// pulse is a device that shakes hands as often as a device may: when it can shows which part of the
// Cluster is there.
type pulse struct {
	credential simulator.Credential

	mu    sync.Mutex
	times []time.Time // of handshakes; guarded by mu
}

// run begins after a while, so that the pulses take turns, which they keep also when one of them had to wait.
func (p *pulse) run(ctx context.Context, links *links, after time.Duration) {
	const every = wire.HelloInterval + 500*time.Millisecond
	began := time.Now().Add(after)
	for wait(ctx, after); ctx.Err() == nil; wait(ctx, every-time.Since(began)%every) {
		conn, _, err := greet(ctx, mqttlite.Broker{Dialer: links.dial}, p.credential)
		if err == nil {
			p.mu.Lock()
			p.times = append(p.times, time.Now())
			p.mu.Unlock()
			_ = conn.Close()
		}
	}
}

// between is how many handshakes there were in a time.
func (p *pulse) between(from, to time.Time) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.times {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// handshakes is how many there were per second of all these.
func handshakes(all []*pulse, from, to time.Time) float64 {
	n := 0
	for _, p := range all {
		n += p.between(from, to)
	}
	return float64(n) / max(to.Sub(from).Seconds(), 0.001)
}

// others are those that are not among some.
func others(all, some []*pulse) (left []*pulse) {
	for _, p := range all {
		if !slices.Contains(some, p) {
			left = append(left, p)
		}
	}
	return left
}
