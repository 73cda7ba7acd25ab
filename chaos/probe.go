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
)

// within is how soon what was done at one server acts on a device of another. The bar is one second, on a
// machine that does nothing else.
const within = 5 * time.Second

// deaf is how long a server that has lost Redis keeps sending chunks: 8 s (docs/adr/0044), and what a busy machine adds.
const deaf = 10 * time.Second

// probes are devices of the operator's own, at a server of his choice: what they get right after an edit was
// answered elsewhere shows whether that server decided by what was before.
type probes struct {
	credentials []simulator.Credential
	decided     atomic.Int64   // decisions that were judged
	cut         map[string]int // devices that were stopped, disabled and deleted while they took an update

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
	which := random.IntN(len(all))
	c, at := all[which], r.servers[random.IntN(len(r.servers))]
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
		return r.cutOff(ctx, random, which, at)
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

// cutOff has a device that is in an update at one server stopped, disabled or deleted at another. Nothing may come to
// it later than the bound after the answer: no chunk, and from a server that it may not use any more no
// acknowledgement; that ends its connection.
func (r *round) cutOff(ctx context.Context, random *rand.Rand, which int, at *server) error {
	c := &r.cluster.probes.credentials[which]
	id, v, yes, no := c.ID.String(), r.version(random), true, false
	err := r.edit(ctx, c.ID, api.DeviceUpdate{Lock: api.Some(v.api()), Development: &no}, func(u *unit) { u.lock, u.development = uint32(v), false })
	if err != nil {
		return err
	}
	taker := device.Take(ctx, directly(at), *c)
	if taker == nil {
		return nil // a server that breaks takes no devices
	}
	defer taker.Close()
	name := []string{"stopped", "disabled", "deleted"}[random.IntN(3)]
	began := r.broken.Load()
	bound := func() time.Duration {
		if began%2 == 1 || r.broken.Load() != began {
			return deaf
		}
		return within
	}
	switch name {
	case "stopped":
		err = r.insist(ctx, "stop "+id, func(ctx context.Context, s *server) error {
			return unless(s.client.StopUpdate(ctx, id), fleet.Conflict, fleet.NotFound)
		})
	case "disabled":
		err = r.edit(ctx, c.ID, api.DeviceUpdate{Disabled: &yes}, func(*unit) {})
	case "deleted":
		err = r.insist(ctx, "delete "+id, func(ctx context.Context, s *server) error {
			return unless(s.client.DeleteDevice(ctx, id), fleet.NotFound)
		})
	}
	if err != nil {
		return err
	}
	answered := time.Now()
	if name == "stopped" {
		wait(ctx, within+time.Second)
		wait(ctx, bound()-within)
	} else {
		select {
		case <-taker.Ended:
		case <-ctx.Done():
		case <-time.After(healing):
			r.cluster.probes.report("%s kept the connection of %s %v after it was %s", at.mqtt, id, healing, name)
		}
	}
	r.cluster.probes.judge(at, c.ID, name, taker, answered, bound())
	switch name {
	case "stopped":
		return r.insist(ctx, "retry "+id, func(ctx context.Context, s *server) error {
			return unless(s.client.RetryUpdate(ctx, id), fleet.Conflict, fleet.NotFound)
		})
	case "disabled":
		return r.edit(ctx, c.ID, api.DeviceUpdate{Disabled: &no}, func(*unit) {})
	}
	r.world.change(func() { r.world.units[c.ID] = &unit{groups: map[string]bool{}} })
	return r.insist(ctx, "register "+id, func(ctx context.Context, s *server) error {
		_, err := s.client.Import(ctx, product, api.NewDevices{IDs: []string{id}})
		if unless(err, fleet.Conflict) != nil {
			return err
		}
		rotated, err := s.client.RotateSecret(ctx, id)
		c.Secret = rotated.Secret
		return err
	})
}

// judge reports what came later than bound after the answer to what was done to a device.
func (p *probes) judge(at *server, id fleet.DeviceID, name string, taker *device.Taker, answered time.Time, bound time.Duration) {
	p.cut[name]++
	since := time.Unix(0, max(answered.UnixNano(), at.continued.Load())) // a server that continues sends what it was about to
	chunk, acknowledged := taker.Last()
	if late := chunk.Sub(since); late > bound {
		p.report("%s sent %s a chunk %v after it was %s", at.mqtt, id, late.Round(time.Millisecond), name)
	}
	if late := acknowledged.Sub(answered); late > within && name != "stopped" {
		p.report("%s acknowledged what %s sent %v after it was %s", at.mqtt, id, late.Round(time.Millisecond), name)
	}
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
