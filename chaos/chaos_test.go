package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/chaos/device"
	"github.com/muster-iot/muster/chaos/machine"
	"github.com/muster-iot/muster/fleet"
)

// The tests, too, need mounts of their own: a disk is filled.
func TestMain(m *testing.M) {
	flag.Parse()
	inside, code := machine.OwnMounts()
	if inside {
		code = m.Run()
		machine.RemoveServers()
	}
	os.Exit(code)
}

// TestNothingAcknowledgedIsLostInAStorm is the short form of make chaos: one round, without
// stepping the clock, which TestStepsOfTheClockMoveNoDeadline does.
func TestNothingAcknowledgedIsLostInAStorm(t *testing.T) {
	c := config{seed: 1, devices: 100, rounds: 1, storm: 15 * time.Second, settle: 2 * time.Minute}
	if failed := c.run(t.Context()); failed > 0 {
		t.Errorf("%d rounds failed: what is wrong is in the output", failed)
	}
}

// TestTheJudgeFindsWhatIsWrong changes everything that is judged behind the back of the oracle.
func TestTheJudgeFindsWhatIsWrong(t *testing.T) {
	binary, err := machine.BuildServer(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	r := round{config: config{devices: 8, settle: 4 * time.Second}, seed: 1, binary: binary}
	r.meddle = func(ctx context.Context) {
		groups, yes := []string{"beta"}, true
		_, err := r.server.client.UpdateDevice(ctx, product, "lamp-5", api.DeviceUpdate{Groups: api.Some(api.Names(groups)), Development: &yes})
		if err == nil {
			_, err = r.server.client.Release(ctx, product, api.Release{Version: version(2).api(), Groups: api.Some(api.Names(groups))})
		}
		if err != nil {
			t.Error(err)
		}
		r.world.units["lamp-6"].lock = 3
		r.world.commands["lamp-7"]++
		r.done["take-back"] = 2
		r.talk[0].Note(1_000_000)
		r.talk[1].Note(1_000_001)
	}
	wrong, err := r.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(wrong, "\n")
	for _, want := range []string{
		"lamp-6 runs 1, the rules say 3", "lamp-5 is in groups [beta]", "lamp-5: development is true", "lamp-6 is locked to 0", "the list of group beta has 1",
		"released are map[beta:2]", "lamp-7 carried out 0 commands, 1", "1 times firmware.release, acknowledged were 2", "0 times device.command, acknowledged were 1", "lamp-0: messages or alerts [1000000] were acknowledged and are lost", "lamp-1: messages or alerts [1000001] were acknowledged and are lost",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("%q was not found, but:\n%s", want, found)
		}
	}
	_ = os.RemoveAll(r.folder)
}

// TestServersOnAClusterLoseNothing is the short form of make chaos-cluster.
func TestServersOnAClusterLoseNothing(t *testing.T) {
	t.Parallel()
	c := config{seed: 1, cluster: true, devices: 60, rounds: 1, storm: 20 * time.Second, settle: 2 * time.Minute}
	if failed := c.run(t.Context()); failed > 0 {
		t.Errorf("%d rounds failed: what is wrong is in the output", failed)
	}
}

// TestTheJudgeOfAClusterFindsWhatIsWrong does the same to what is judged of several servers only.
func TestTheJudgeOfAClusterFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	binary, err := machine.BuildServer(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	r := round{config: config{cluster: true, devices: 8, settle: 4 * time.Second}, seed: 1, binary: binary}
	r.meddle = func(ctx context.Context) {
		c := r.cluster
		for began := time.Now(); r.fleet.Snapshot().Online < len(r.ids) && time.Since(began) < time.Minute; {
			wait(ctx, 100*time.Millisecond)
		}
		sampled := func() {
			for judged := c.sessions.Judged.Load(); c.sessions.Judged.Load() < judged+2 && ctx.Err() == nil; {
				wait(ctx, 100*time.Millisecond)
			}
		}
		for _, session := range []int{1_000_000, 0} { // so that a handshake before the next sample does not make up for the fall
			sampled()
			if err := c.redis.Client.HSet(ctx, device.Key(r.ids[0]), "se", session).Err(); err != nil {
				t.Error(err)
			}
		}
		conn, _, err := device.Greet(ctx, directly(r.servers[1]), c.probes.credentials[0])
		if err != nil {
			t.Fatal(err)
		}
		r.background.Go(func() {
			<-ctx.Done()
			_ = conn.Close()
		})
		taken, at := c.probes.credentials[2], r.servers[2]
		if err := r.edit(ctx, taken.ID, api.DeviceUpdate{Lock: api.Some(version(2).api())}, func(u *unit) { u.lock = 2 }); err != nil {
			t.Fatal(err)
		}
		var taker *device.Taker
		for taker == nil && ctx.Err() == nil { // a server may have no slot yet
			taker = device.Take(ctx, directly(at), taken)
		}
		for acknowledged := (time.Time{}); acknowledged.IsZero() && ctx.Err() == nil; _, acknowledged = taker.Last() {
			wait(ctx, 100*time.Millisecond)
		}
		c.probes.judge(at, taken.ID, "deleted", taker, time.Now().Add(-time.Minute), within)
		taker.Close()
		c.probes.credentials = c.probes.credentials[1:2]
		probed := c.probes.credentials[0].ID
		r.world.units[probed].lock = 5
		for random := r.random("meddling"); c.probes.decided.Load() == 0 && ctx.Err() == nil; {
			r.decide(ctx, c.probes.credentials[0], r.servers[random.IntN(nodes)])
		}
		now := time.Now()
		c.shards = append(c.shards, outage{died: now, replaced: now, served: now.Add(time.Minute), due: 10, others: 0.1, before: 1})
		sampled()
	}
	wrong, err := r.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(wrong, "\n")
	for _, want := range []string{
		fmt.Sprintf("the session of %s went from ", r.ids[0]), fmt.Sprintf("%s should run 0, the rules say 5", r.cluster.probes.credentials[0].ID),
		"acknowledged what lamp-207 sent ", "sent lamp-207 a chunk ", "after it was deleted",
		"the servers have 9 connections, 8 of 8 devices are online", "as online, which it is not", "were served 1m0s after", "10 % of the handshakes with the others took",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("%q was not found, but:\n%s", want, found)
		}
	}
	_ = os.RemoveAll(r.folder)
}

func TestTheOracleKeepsTheRulesOfPrecedence(t *testing.T) {
	yes, no := true, false
	w := newWorld([]fleet.DeviceID{"a"}, []string{"x", "y"}, []uint32{2, 3, 4})
	a := w.units["a"]
	expect := func(what string, want uint32) {
		t.Helper()
		if got := w.target("a"); got != want {
			t.Errorf("%s: got %d, want %d", what, got, want)
		}
	}
	expect("nothing released", none)
	w.released(3, nil, &yes)()
	expect("the default", 3)
	a.groups["x"], a.groups["y"] = true, true
	expect("groups without a release", 3)
	w.released(2, []string{"x"}, nil)()
	expect("a group below the default", 2)
	w.released(4, []string{"y"}, nil)()
	expect("the highest of two groups", 4)
	a.lock = 2
	expect("a lock above all", 2)
	a.development = true
	expect("a development device", none)
	a.development, a.lock = false, none
	w.released(4, []string{"x"}, nil)()
	if want := map[string]uint32{"": 3, "x": 4}; !maps.Equal(w.releases, want) {
		t.Errorf("groups are absolute for a version: got %v, want %v", w.releases, want)
	}
	w.released(3, nil, &no)()
	w.released(4, nil, &no)()
	expect("everything taken back", none)
	if got := slices.Collect(maps.Values(w.releases)); len(got) != 0 {
		t.Errorf("got releases of %v", got)
	}
}
