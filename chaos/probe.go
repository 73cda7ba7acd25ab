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
	"github.com/muster-iot/muster/chaos/device"
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
	conn, welcome, err := device.Greet(ctx, directly(at), c)
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
	conn, _, err := device.Greet(ctx, directly(at), c)
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

// others are those that are not among some.
func others(all, some []*device.Pulse) (left []*device.Pulse) {
	for _, p := range all {
		if !slices.Contains(some, p) {
			left = append(left, p)
		}
	}
	return left
}
