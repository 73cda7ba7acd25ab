package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// What a round is made of.
const (
	imageSize    = 100 << 10 // bytes
	reporters    = 5
	haste        = 20               // divides reboots and reconnects of devices
	healing      = 60 * time.Second // until the server has to be ready after a fault
	patience     = 60 * time.Second // for one act to be acknowledged once the server is ready again
	smallStorage = "96m"            // of the data folder, where a small file system can be mounted
)

// round is one server and one fleet from their first start to the verdict.
type round struct {
	config config
	seed   uint64
	binary string

	folder string
	small  bool // the data folder is on a file system of its own
	server *server
	client *client.Client
	links  *links
	world  *world
	ids    []fleet.DeviceID
	fleet  *simulator.Fleet
	talk   []*reporter

	meddle func(context.Context) // what a test does between storm and peace

	background sync.WaitGroup
	starved    context.CancelFunc // ends the starving

	acts, faults, confirmed, reported int
	met                               map[string]int // faults by name
	began                             time.Time
}

// run returns what is wrong in the end; an error when the round could not be judged.
func (r *round) run(ctx context.Context) (wrong []string, err error) {
	r.began, r.met = time.Now(), map[string]int{}
	if r.folder, err = os.MkdirTemp("", fmt.Sprintf("muster-chaos-%d-", r.seed)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer r.background.Wait()
	defer cancel()
	defer func() {
		if r.server != nil && r.server.now != nil {
			r.server.now.Stop()
		}
		if r.small {
			unmount(r.server.data())
		}
		if err == nil && len(wrong) == 0 && !r.config.keep {
			_ = os.RemoveAll(r.folder)
		}
	}()
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	talking, silent := context.WithCancel(ctx)
	defer silent()
	for _, p := range r.talk {
		r.background.Go(func() { p.run(talking) })
	}
	if err := r.storm(ctx); err != nil {
		return nil, err
	}
	silent()
	if r.meddle != nil {
		r.meddle(ctx)
	}
	return r.peace(ctx)
}

// begin starts the server and its fleet.
func (r *round) begin(ctx context.Context) (err error) {
	if r.server, err = newServer(r.binary, r.folder); err != nil {
		return err
	}
	r.small = mountSmall(r.server.data(), smallStorage)
	if err := r.server.start(); err != nil {
		return err
	}
	if err := r.server.ready(ctx, healing); err != nil {
		return err
	}
	if r.client, err = r.server.client(ctx); err != nil {
		return err
	}
	if _, err := r.client.CreateProduct(ctx, "Lamp", product); err != nil {
		return err
	}
	groups, versions := []string{"alpha", "beta", "gamma"}, []uint32{2, 3, 4, 5}
	for _, g := range groups {
		if _, err := r.client.CreateGroup(ctx, product, g, ""); err != nil {
			return err
		}
	}
	for _, v := range versions {
		f := api.NewFirmware{Version: version(v).api(), Title: "Lamp"}
		if _, err := r.client.Upload(ctx, product, f, bytes.NewReader(imageOf(v))); err != nil {
			return err
		}
	}
	all, err := r.enroll(ctx, r.config.devices+reporters)
	if err != nil {
		return err
	}
	r.links = newLinks(r.server.mqtt, r.random("links"))
	for _, c := range all[:reporters] {
		r.talk = append(r.talk, &reporter{credential: c, links: r.links})
	}
	all = all[reporters:]
	for _, c := range all {
		r.ids = append(r.ids, c.ID)
	}
	r.world = newWorld(r.ids, groups, versions)
	r.fleet, err = simulator.New(simulator.Config{
		Broker: mqttlite.Broker{Dialer: r.links.dial}, Devices: all, Client: simulator.Light, Seed: r.seed, Haste: haste, KeepAlive: 30 * time.Second,
	})
	if err != nil {
		return err
	}
	r.background.Go(func() { r.fleet.Run(ctx) })
	return nil
}

// random is a source of its own for each purpose, so that what one draws does not move another.
func (r *round) random(purpose string) *rand.Rand {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], r.seed)
	copy(seed[8:], purpose)
	return rand.New(rand.NewChaCha8(seed))
}

func (r *round) enroll(ctx context.Context, n int) (all []simulator.Credential, err error) {
	list := api.NewDevices{}
	for i := range n {
		list.IDs = append(list.IDs, fmt.Sprintf("lamp-%d", i))
	}
	imported, err := r.client.Import(ctx, product, list)
	if err != nil {
		return nil, err
	}
	for _, id := range list.IDs {
		all = append(all, simulator.Credential{ID: fleet.DeviceID(id), Secret: imported.Secrets[id], Version: fleet.WholeVersion(1)})
	}
	return all, nil
}

// storm lets acts and faults go on side by side, one of each at a time.
func (r *round) storm(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.Now().Add(r.config.storm)
	var breaking sync.WaitGroup
	breaking.Go(func() {
		for random, all := r.random("faults"), r.chosen(); len(all) > 0 && time.Now().Before(end) && ctx.Err() == nil; {
			wait(ctx, time.Duration(500+random.IntN(2500))*time.Millisecond)
			if err := r.breakOnce(ctx, all[random.IntN(len(all))], random); err != nil {
				cancel(err)
			}
		}
	})
	for random := r.random("acts"); time.Now().Before(end) && ctx.Err() == nil; {
		if err := r.act(ctx, draw(random), random); err != nil {
			cancel(err)
		}
		if random.IntN(3) == 0 { // a release reaches a device at its next handshake
			r.fleet.Rehello(r.some(random, len(r.ids)/2)...)
		}
		wait(ctx, time.Duration(random.IntN(1500))*time.Millisecond)
	}
	breaking.Wait()
	return context.Cause(ctx)
}

// breakOnce lets one fault happen and heal.
func (r *round) breakOnce(ctx context.Context, f fault, random *rand.Rand) error {
	lasts := f.least + time.Duration(random.Int64N(int64(f.most-f.least)))
	r.say("fault %s for %v", f.name, lasts.Round(time.Millisecond))
	err := f.begin(ctx, r, random)
	if errors.Is(err, errNotHere) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	r.faults++
	r.met[f.name]++
	wait(ctx, lasts)
	if r.starved != nil {
		r.starved()
		r.starved = nil
	}
	if f.heal != nil {
		if err := f.heal(context.WithoutCancel(ctx), r); err != nil {
			return fmt.Errorf("%s, healing: %w", f.name, err)
		}
	}
	if err := r.server.ready(ctx, healing); err != nil {
		return fmt.Errorf("after %s: %w", f.name, err)
	}
	r.say("healed %s", f.name)
	return nil
}

func draw(random *rand.Rand) act {
	total := 0
	for _, a := range acts {
		total += a.weight
	}
	n := random.IntN(total)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	return acts[0]
}

// act does what an operator does: the same again until the server acknowledges it.
func (r *round) act(ctx context.Context, a act, random *rand.Rand) error {
	call, effect := a.draw(r, random)
	if err := r.insist(ctx, a.name, call); err != nil {
		return err
	}
	r.world.change(effect)
	r.acts++
	return nil
}

// insist repeats a call until it is acknowledged. Only what says "try again later" is tried
// again: anything else is an answer no operator should get.
func (r *round) insist(ctx context.Context, what string, call call) error {
	r.say("%s", what)
	for began := time.Now(); ; wait(ctx, 200*time.Millisecond) {
		limited, cancel := context.WithTimeout(ctx, 15*time.Second)
		err := call(limited, r.client)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, fleet.Unavailable) && !errors.Is(err, fleet.Busy) && !errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("%s: an answer that no operator should get: %w", what, err)
		case time.Since(began) > healing+patience:
			return fmt.Errorf("%s: not acknowledged in %v: %w", what, healing+patience, err)
		}
		r.say("  again: %v", err)
	}
}

func (r *round) say(format string, args ...any) {
	if r.config.verbose {
		fmt.Printf("%8.3f  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// tally names the faults that happened.
func (r *round) tally() string {
	var parts []string
	for name, n := range r.met {
		parts = append(parts, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// imageOf is the firmware of a version.
func imageOf(v uint32) []byte {
	noise := rand.NewPCG(uint64(v), 1)
	data := make([]byte, 0, imageSize+8)
	for len(data) < imageSize {
		data = binary.LittleEndian.AppendUint64(data, noise.Uint64())
	}
	return data[:imageSize]
}
