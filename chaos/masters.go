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
// the oracle trusts: the Cluster may lose the rest. With copied it may lose nothing, and accepts no write
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
		c.sessions.Failovers.Add(1)
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
		if c.redis.Master(device.Key(p.Credential.ID)) == n {
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
	if c.sessions.Failovers.Load()%2 == 1 {
		c.sessions.Failovers.Add(1)
	}
	return nil
}
