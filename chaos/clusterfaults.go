package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

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
	r.cluster.hit.continued.Store(time.Now().UnixNano())
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

// moveSlots moves the slots of a few devices from one master to another, with their keys, while servers use them.
func moveSlots(_ context.Context, r *round, random *rand.Rand) error {
	for _, id := range r.some(random, 3) {
		from, to := r.cluster.redis.Master(device.Key(id)), r.cluster.master(random)
		if from == to {
			continue
		}
		move, err := r.cluster.redis.BeginMove(device.Key(id), to)
		if err == nil {
			err = move.End()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
