package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/chaos/device"
	"github.com/muster-iot/muster/store/redistest"
)

// clusterFaults are those of several servers on a Cluster.
var clusterFaults = []fault{
	{"node-killed", 0, 4 * time.Second, onOne((*server).kill), startHit},
	{"node-killed-for-long", 11 * time.Second, 14 * time.Second, onOne((*server).kill), startHit}, // others take it for dead
	{"node-killed-in-an-act", 0, 2 * time.Second, func(ctx context.Context, r *round, random *rand.Rand) error {
		r.inAnAct(ctx, random)
		if r.cluster.hit = r.asked.Load(); r.cluster.hit == nil {
			r.cluster.one(random)
		}
		r.cluster.hit.kill()
		return nil
	}, startHit},
	{"node-restarted", 0, 2 * time.Second, onOne((*server).end), startHit},
	{"nodes-restarted-in-turn", 0, time.Second, restartInTurn, nil},
	{"nodes-killed", 0, 2 * time.Second, func(_ context.Context, r *round, _ *rand.Rand) error {
		for _, s := range r.servers {
			s.kill()
		}
		return nil
	}, func(_ context.Context, r *round) error {
		for _, s := range r.servers {
			if err := s.start(); err != nil {
				return err
			}
		}
		return nil
	}},
	{"node-suspended", time.Second, 15 * time.Second, onOne(func(s *server) {
		s.suspended.Store(true)
		s.signal(musterOnly, syscall.SIGSTOP)
	}), continueHit},
	{"node-cut-off", time.Second, 14 * time.Second, severing(2 * masters), mending},
	{"node-cut-off-from-a-master", time.Second, 12 * time.Second, severing(1), mending},
	{"master-killed", 0, 3 * time.Second, felling(func(n *redistest.Node) { n.Kill() }), restartDead},
	{"master-suspended", 0, 3 * time.Second, felling(func(n *redistest.Node) { n.Signal(syscall.SIGSTOP) }), continueDead},
	{"master-killed-and-back", 0, 200 * time.Millisecond, shortly(func(n *redistest.Node) { n.Kill() }), restartDead},
	{"master-hangs", 100 * time.Millisecond, 1500 * time.Millisecond, shortly(func(n *redistest.Node) { n.Signal(syscall.SIGSTOP) }), continueDead},
	{"replica-killed", 0, 2 * time.Second, func(_ context.Context, r *round, random *rand.Rand) error {
		master := r.cluster.master(random)
		if r.cluster.dead = r.cluster.redis.Replica(master); r.cluster.dead == nil {
			return fmt.Errorf("%s has no replica", master.Addr)
		}
		r.cluster.dead.Kill()
		return nil
	}, restartDead},
	{"master-out-of-memory", time.Second, 6 * time.Second, func(ctx context.Context, r *round, random *rand.Rand) error {
		r.cluster.dead = r.cluster.master(random)
		return r.cluster.dead.Client.ConfigSet(ctx, "maxmemory", "1").Err()
	}, func(ctx context.Context, r *round) error {
		return r.cluster.dead.Client.ConfigSet(ctx, "maxmemory", "0").Err()
	}},
	{"connections-cut", 0, time.Second, func(ctx context.Context, r *round, _ *rand.Rand) error {
		for _, n := range r.cluster.redis.Masters() {
			if err := n.Client.Do(ctx, "client", "kill", "type", "normal").Err(); err != nil {
				return err
			}
		}
		return nil
	}, nil},
	{"slots-moved", 0, time.Second, moveSlots, nil},
	{"balancer-killed", 0, time.Second, func(_ context.Context, r *round, _ *rand.Rand) error {
		if r.cluster.balancer == nil {
			return errNotHere
		}
		r.cluster.balancer.Stop()
		return nil
	}, func(_ context.Context, r *round) error { return r.cluster.balancer.Start() }},
}

// onOne does it to one server.
func onOne(do func(*server)) func(context.Context, *round, *rand.Rand) error {
	return func(_ context.Context, r *round, random *rand.Rand) error {
		do(r.cluster.one(random))
		return nil
	}
}

// end asks the server to end, and waits until it has.
func (s *server) end() { s.now.Stop() }

func startHit(_ context.Context, r *round) error { return r.cluster.hit.start() }

func continueHit(_ context.Context, r *round) error {
	r.cluster.hit.signal(musterOnly, syscall.SIGCONT)
	r.cluster.hit.suspended.Store(false)
	return nil
}

// restartInTurn is an upgrade.
func restartInTurn(ctx context.Context, r *round, _ *rand.Rand) error {
	for _, s := range r.servers {
		s.end()
		if err := errors.Join(s.start(), s.ready(ctx, healing)); err != nil {
			return err
		}
	}
	return nil
}

// severing cuts a server off from some nodes of the Cluster: silently, or by closing connections.
func severing(most int) func(context.Context, *round, *rand.Rand) error {
	return func(_ context.Context, r *round, random *rand.Rand) error {
		ports := r.cluster.ports()
		if most == 1 {
			ports = []string{portOf(r.cluster.master(random))}
		}
		r.cluster.wiresOf(r.cluster.one(random)).Sever(ports, random.IntN(2) == 0)
		return nil
	}
}

func mending(_ context.Context, r *round) error {
	r.cluster.wiresOf(r.cluster.hit).Heal()
	return nil
}

// master draws a master.
func (c *cluster) master(random *rand.Rand) *redistest.Node {
	all := c.redis.Masters()
	return all[random.IntN(len(all))]
}

// calm is how long the rate of handshakes is measured before a master dies.
const calm = 3 * time.Second

// felling has a master replaced by its replica, when that has everything that was acknowledged to those
// whom the oracle believes: the Cluster may lose the rest. It measures what that does to the devices.
func felling(fell func(*redistest.Node)) func(context.Context, *round, *rand.Rand) error {
	return func(ctx context.Context, r *round, random *rand.Rand) error {
		c := r.cluster
		c.dead = c.master(random)
		replica := c.redis.Replica(c.dead)
		if replica == nil {
			return fmt.Errorf("%s has no replica", c.dead.Addr)
		}
		theirs := c.of(c.dead)
		rest := others(c.pulses, theirs)
		began := time.Now()
		wait(ctx, calm)
		before := device.Rate(rest, began, time.Now())
		c.sessions.failovers.Add(1)
		r.acknowledging.Lock()
		err := c.redis.AwaitReplicated(c.dead)
		o := outage{died: time.Now()}
		fell(c.dead)
		r.acknowledging.Unlock()
		if err != nil {
			return err
		}
		err = process.Poll(ctx, healing, "a replica is master", func() (bool, error) { return replica.Leads(), nil })
		if err != nil {
			return err
		}
		o.replaced = time.Now()
		err = process.Poll(ctx, healing, "its devices shake hands again", func() (bool, error) {
			return len(theirs) == 0 || device.Rate(theirs, o.replaced, time.Now()) > 0, nil
		})
		o.served = time.Now()
		if before > 0 {
			o.others = device.Rate(rest, o.died, o.served) / before
			c.mu.Lock()
			c.shards = append(c.shards, o)
			c.mu.Unlock()
			r.say("  replaced %s after %v, served %v later; others at %.2f of %.1f/s", c.dead.Addr, o.replaced.Sub(o.died), o.served.Sub(o.replaced), o.others, before)
		}
		return err
	}
}

// of are the pulses whose records are with a master.
func (c *cluster) of(n *redistest.Node) (some []*device.Pulse) {
	for _, p := range c.pulses {
		if c.redis.Master(key(p.Credential.ID)) == n {
			some = append(some, p)
		}
	}
	return some
}

// shortly has a master away in the middle of an act, and not replaced: what it acknowledged it still has.
func shortly(fell func(*redistest.Node)) func(context.Context, *round, *rand.Rand) error {
	return func(ctx context.Context, r *round, random *rand.Rand) error {
		c := r.cluster
		c.dead = c.master(random)
		if err := c.mayReplace(ctx, c.dead, "no"); err != nil {
			return err
		}
		r.inAnAct(ctx, random)
		fell(c.dead)
		return nil
	}
}

// mayReplace allows the replica of a master to take its place, or not.
func (c *cluster) mayReplace(ctx context.Context, master *redistest.Node, may string) error {
	replica := c.redis.Replica(master)
	if replica == nil {
		return fmt.Errorf("%s has no replica", master.Addr)
	}
	never := map[string]string{"yes": "no", "no": "yes"}[may]
	return replica.Client.ConfigSet(ctx, "cluster-replica-no-failover", never).Err()
}

func restartDead(ctx context.Context, r *round) error {
	return errors.Join(r.cluster.dead.Start(), r.cluster.recover(ctx))
}

func continueDead(ctx context.Context, r *round) error {
	r.cluster.dead.Signal(syscall.SIGCONT)
	return r.cluster.recover(ctx)
}

// recover waits until the Cluster is whole, and allows every replica to take over again.
func (c *cluster) recover(ctx context.Context) error {
	if err := c.redis.AwaitWhole(); err != nil {
		return err
	}
	for _, n := range c.redis.Nodes {
		if err := n.Client.ConfigSet(ctx, "cluster-replica-no-failover", "no").Err(); err != nil {
			return err
		}
	}
	if c.sessions.failovers.Load()%2 == 1 {
		c.sessions.failovers.Add(1)
	}
	return nil
}

// moveSlots moves the slots of a few devices from one master to another, with their keys, while servers use them.
func moveSlots(_ context.Context, r *round, random *rand.Rand) error {
	for _, id := range r.some(random, 3) {
		from, to := r.cluster.redis.Master(key(id)), r.cluster.master(random)
		if from == to {
			continue
		}
		move, err := r.cluster.redis.BeginMove(key(id), to)
		if err == nil {
			err = move.End()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
