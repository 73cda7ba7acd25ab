package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
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
	{"master-killed", 0, 3 * time.Second, felling("killed", kill, (*redistest.Node).Start), restartDead},
	{"master-suspended", 0, 3 * time.Second, felling("suspended", signalling(syscall.SIGSTOP), signalling(syscall.SIGCONT)), continueDead},
	{"master-killed-and-back", 0, 200 * time.Millisecond, shortly(kill), restartDead},
	{"master-hangs", 100 * time.Millisecond, 1500 * time.Millisecond, shortly(signalling(syscall.SIGSTOP)), continueDead},
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
	r.cluster.transfers.Doubt(time.Now(), time.Now())
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

func kill(n *redistest.Node) error {
	n.Kill()
	return nil
}

func signalling(sig syscall.Signal) func(*redistest.Node) error {
	return func(n *redistest.Node) error {
		n.Signal(sig)
		return nil
	}
}

// master draws a master.
func (c *cluster) master(random *rand.Rand) *redistest.Node {
	all := c.redis.Masters()
	return all[random.IntN(len(all))]
}

// acknowledged is held by whoever waits for an acknowledgement while no master may die. With copied a master
// may die at any moment.
func (r *round) acknowledged() sync.Locker {
	if r.copied {
		return new(sync.Mutex)
	}
	return r.acknowledging.RLocker()
}

// calm is how long handshakes are measured before a master dies, and prompt how long one may take.
const (
	calm   = 3 * time.Second
	prompt = time.Second
)

// felling has a master replaced by its replica, when that has everything that was acknowledged to those
// whom the oracle believes: the Cluster may lose the rest. With copied it may lose nothing, and accepts no write
// before the dead master is back as a replica. It measures what that does to the devices.
func felling(name string, fell, revive func(*redistest.Node) error) func(context.Context, *round, *rand.Rand) error {
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
		if r.copied {
			if err := c.leaveBehind(ctx, replica, c.dead); err != nil {
				return err
			}
		}
		c.sessions.failovers.Add(1)
		r.acknowledging.Lock()
		var err error
		if !r.copied {
			err = c.redis.AwaitReplicated(c.dead)
		}
		o := outage{fault: name, died: time.Now()}
		err = errors.Join(err, fell(c.dead))
		replica.Signal(syscall.SIGCONT)
		r.acknowledging.Unlock()
		if err != nil {
			return err
		}
		err = process.Poll(ctx, healing, "a replica is master", func() (bool, error) { return replica.Leads(), nil })
		if err != nil {
			return err
		}
		o.replaced = time.Now()
		c.transfers.Doubt(o.died, o.replaced)
		if r.copied {
			if err := revive(c.dead); err != nil {
				return err
			}
		}
		err = process.Poll(ctx, healing, "its devices shake hands again", func() (bool, error) {
			return len(theirs) == 0 || device.Served(theirs, o.replaced), nil
		})
		o.served = time.Now()
		wait(ctx, prompt)
		_, o.before = device.Prompt(rest, began, began.Add(calm-prompt))
		o.due, o.others = device.Prompt(rest, o.died, o.served)
		c.mu.Lock()
		c.shards = append(c.shards, o)
		c.mu.Unlock()
		r.say("  %v", o)
		return err
	}
}

// leaveBehind has a replica miss what its master acknowledges from now on, if that does not wait for it.
func (c *cluster) leaveBehind(ctx context.Context, replica, master *redistest.Node) error {
	replica.Signal(syscall.SIGSTOP)
	err := master.Client.Do(ctx, "client", "kill", "type", "replica").Err()
	wait(ctx, 500*time.Millisecond)
	return err
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
func shortly(fell func(*redistest.Node) error) func(context.Context, *round, *rand.Rand) error {
	return func(ctx context.Context, r *round, random *rand.Rand) error {
		c := r.cluster
		c.dead = c.master(random)
		if err := c.mayReplace(ctx, c.dead, "no"); err != nil {
			return err
		}
		r.inAnAct(ctx, random)
		return fell(c.dead)
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
