package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/muster-iot/muster/simulator"
)

// fault is something that breaks and heals again. A further one is a further row.
type fault struct {
	name  string
	least time.Duration // how long it lasts, at least
	most  time.Duration
	begin func(context.Context, *round, *rand.Rand) error
	heal  func(context.Context, *round) error // nil: it heals by itself
}

var errNotHere = errors.New("not possible on this machine")

// faultsOf are those of one server, or of several on a Cluster.
func faultsOf(cluster bool) []fault {
	if cluster {
		return slices.Concat(clusterFaults, deviceFaults)
	}
	return slices.Concat(faults, deviceFaults)
}

var faults = []fault{
	{"server-killed", 0, 3 * time.Second, func(_ context.Context, r *round, _ *rand.Rand) error {
		r.server.kill()
		return nil
	}, startAgain},
	{"server-restarted", 0, 2 * time.Second, func(_ context.Context, r *round, _ *rand.Rand) error {
		r.server.now.Stop()
		return nil
	}, startAgain},
	{"server-killed-in-an-act", 0, 2 * time.Second, func(ctx context.Context, r *round, random *rand.Rand) error {
		r.inAnAct(ctx, random)
		r.server.kill()
		return nil
	}, startAgain},
	{"redis-killed-in-an-act", 0, 2 * time.Second, func(ctx context.Context, r *round, random *rand.Rand) error {
		r.inAnAct(ctx, random)
		r.server.signal(redisOnly, syscall.SIGKILL)
		return nil
	}, nil},
	{"server-killed-while-devices-apply", 0, 2 * time.Second, func(ctx context.Context, r *round, _ *rand.Rand) error {
		for began := time.Now(); r.fleet.Snapshot().States[simulator.Applying.String()] == 0 && time.Since(began) < 5*time.Second; {
			wait(ctx, time.Millisecond)
		}
		r.server.kill()
		return nil
	}, startAgain},
	{"server-stopped", time.Second, 15 * time.Second, stopping(musterOnly), continuing(musterOnly)},
	{"redis-killed", 0, 3 * time.Second, func(_ context.Context, r *round, _ *rand.Rand) error {
		r.server.signal(redisOnly, syscall.SIGKILL)
		return nil
	}, nil},
	{"redis-stopped", time.Second, 12 * time.Second, stopping(redisOnly), continuing(redisOnly)},
	{"everything-killed", 0, time.Second, func(_ context.Context, r *round, _ *rand.Rand) error {
		r.server.signal(redisOnly, syscall.SIGKILL)
		r.server.kill()
		return nil
	}, startAgain},
	{"everything-starved", 2 * time.Second, 8 * time.Second, starving, continuing(both)},
	{"redis-connections-cut", 0, time.Second, redisSays("CLIENT KILL TYPE normal"), nil},
	{"redis-refuses-writes", time.Second, 8 * time.Second, redisSays("CONFIG SET min-replicas-to-write 1"), redisSaysAgain("CONFIG SET min-replicas-to-write 0")},
	{"redis-out-of-memory", time.Second, 8 * time.Second, redisSays("CONFIG SET maxmemory 1"), redisSaysAgain("CONFIG SET maxmemory 0")},
	{"disk-full", 2 * time.Second, 8 * time.Second, fillDisk, func(_ context.Context, r *round) error { return os.Remove(r.filler()) }},
	{"clock-forward", time.Second, 6 * time.Second, stepping(time.Minute, 6*time.Hour), steppingBack},
	{"clock-back", time.Second, 6 * time.Second, stepping(-6*time.Hour, -time.Minute), steppingBack},
}

// deviceFaults befall devices.
var deviceFaults = []fault{
	{"links-cut", 2 * time.Second, 10 * time.Second, func(_ context.Context, r *round, random *rand.Rand) error {
		r.links.Spoil([]int64{60, 400, 5_000, 60_000}[random.IntN(4)])
		return nil
	}, func(_ context.Context, r *round) error {
		r.links.Spoil(0)
		return nil
	}},
	{"power-cycles", 0, time.Second, func(_ context.Context, r *round, random *rand.Rand) error {
		r.fleet.PowerCycle(r.some(random, len(r.ids)/3)...)
		return nil
	}, nil},
	{"connections-lost", 0, time.Second, func(_ context.Context, r *round, random *rand.Rand) error {
		r.fleet.Disconnect(r.some(random, len(r.ids)/2)...)
		return nil
	}, nil},
}

func faultNames(cluster bool) (names []string) {
	for _, f := range faultsOf(cluster) {
		names = append(names, f.name)
	}
	return names
}

// chosen are the faults that -faults names.
func (r *round) chosen() (some []fault) {
	for _, f := range faultsOf(r.config.cluster) {
		clock := strings.HasPrefix(f.name, "clock-")
		if (r.config.only == "" || slices.Contains(strings.Split(r.config.only, ","), f.name)) && (r.config.clock || !clock) {
			some = append(some, f)
		}
	}
	return some
}

// inAnAct waits for the next act to begin, and a moment.
func (r *round) inAnAct(ctx context.Context, random *rand.Rand) {
	select {
	case <-r.acting: // of an act that is over, maybe
	default:
	}
	select {
	case <-r.acting:
	case <-time.After(5 * time.Second):
	}
	wait(ctx, time.Duration(random.IntN(15))*time.Millisecond)
}

func startAgain(_ context.Context, r *round) error { return r.server.start() }

func stopping(t target) func(context.Context, *round, *rand.Rand) error {
	return func(_ context.Context, r *round, _ *rand.Rand) error {
		r.server.signal(t, syscall.SIGSTOP)
		return nil
	}
}

func continuing(t target) func(context.Context, *round) error {
	return func(_ context.Context, r *round) error {
		r.server.signal(t, syscall.SIGCONT)
		return nil
	}
}

// starving lets both processes run a tenth of the time until they are continued.
func starving(ctx context.Context, r *round, _ *rand.Rand) error {
	ctx, cancel := context.WithCancel(ctx)
	r.starved = cancel
	r.background.Go(func() {
		for on := true; ctx.Err() == nil; on = !on {
			sig, pause := syscall.SIGSTOP, 90*time.Millisecond
			if on {
				sig, pause = syscall.SIGCONT, 10*time.Millisecond
			}
			r.server.signal(both, sig)
			wait(ctx, pause)
		}
		r.server.signal(both, syscall.SIGCONT)
	})
	return nil
}

func redisSays(command string) func(context.Context, *round, *rand.Rand) error {
	return func(_ context.Context, r *round, _ *rand.Rand) error { return r.server.ask(command) }
}

func redisSaysAgain(command string) func(context.Context, *round) error {
	return func(_ context.Context, r *round) error { return r.server.ask(command) }
}

func fillDisk(_ context.Context, r *round, _ *rand.Rand) error {
	if !r.small {
		return errNotHere
	}
	f, err := os.Create(r.filler())
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2] // the last bytes, too
		}
	}
	return nil
}

func (r *round) filler() string { return filepath.Join(r.server.data(), "filler") }

func stepping(from, to time.Duration) func(context.Context, *round, *rand.Rand) error {
	return func(_ context.Context, r *round, random *rand.Rand) error {
		return r.server.stepClock(from + time.Duration(random.Int64N(int64(to-from))))
	}
}

func steppingBack(_ context.Context, r *round) error { return r.server.stepClock(0) }
