package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/chaos/cable"
	"github.com/muster-iot/muster/chaos/device"
	"github.com/muster-iot/muster/chaos/machine"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
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

// round is one server, or several on a Cluster, and one fleet, from their first start to the verdict.
type round struct {
	config config
	seed   uint64
	binary string

	folder  string
	small   bool      // the data folder is on a file system of its own
	servers []*server // those there are
	server  *server   // the first of them
	cluster *cluster  // what they share; nil for one server
	links   *cable.Links
	world   *world
	ids     []fleet.DeviceID
	fleet   *simulator.Fleet
	talk    []*device.Reporter

	meddle func(context.Context) // what a test does between storm and peace

	background sync.WaitGroup
	starved    context.CancelFunc // ends the starving
	acting     chan struct{}      // an act begins; of one element
	turn       atomic.Uint32      // of the servers
	asked      atomic.Pointer[server]
	broken     atomic.Int64 // faults begun and healed: odd while one lasts

	// acknowledging is held by whoever waits for an acknowledgement that the oracle counts on, so that a master
	// with one that its replica does not have yet is not killed: what Redis may lose, it loses. With copied
	// nobody holds it.
	acknowledging sync.RWMutex
	copied        bool // replicas have what is acknowledged: redis.ack_replicas

	interrupted map[fleet.DeviceID]int // Hellos that the harness had devices say while they downloaded

	acts, faults, confirmed, reported int
	met, done                         map[string]int // faults and acts by name
	began                             time.Time
}

// run returns what is wrong in the end; an error when the round could not be judged.
func (r *round) run(ctx context.Context) (wrong []string, err error) {
	r.copied = r.config.cluster && r.seed%2 == 0
	r.began, r.met, r.done, r.acting, r.interrupted = time.Now(), map[string]int{}, map[string]int{}, make(chan struct{}, 1), map[fleet.DeviceID]int{}
	asked := ctx
	if r.folder, err = os.MkdirTemp("", fmt.Sprintf("muster-chaos-%d-", r.seed)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer r.background.Wait()
	defer cancel()
	defer func() {
		for _, s := range r.servers {
			switch {
			case s.now == nil:
			case r.cluster != nil:
				s.kill() // they would move their devices to each other
			default:
				s.now.Stop()
			}
		}
		if r.cluster != nil {
			r.cluster.stop()
		}
		if r.small {
			machine.Unmount(r.server.data())
		}
		if err == nil && len(wrong) == 0 && !r.config.keep || asked.Err() != nil {
			_ = os.RemoveAll(r.folder)
		}
	}()
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	talking, silent := context.WithCancel(ctx)
	defer silent()
	for _, p := range r.talk {
		r.background.Go(func() { p.Run(talking) })
	}
	if c := r.cluster; c != nil {
		for i, p := range c.pulses {
			r.background.Go(func() { p.Run(talking, r.links.Dial, time.Duration(i)*wire.HelloInterval/beating) })
		}
		r.background.Go(func() { c.sessions.Watch(ctx, c.redis, r.ids) })
		r.background.Go(func() { c.transfers.Watch(ctx, r.fleet, r.ids) })
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
	if err := r.install(ctx); err != nil {
		return err
	}
	owner := r.server.client
	if _, err := owner.CreateProduct(ctx, "Lamp", product); err != nil {
		return err
	}
	groups, versions := []string{"alpha", "beta", "gamma"}, []uint32{2, 3, 4, 5}
	for _, g := range groups {
		if _, err := owner.CreateGroup(ctx, product, g, ""); err != nil {
			return err
		}
	}
	for _, v := range versions {
		f := api.NewFirmware{Version: version(v).api(), Title: "Lamp"}
		if _, err := owner.Upload(ctx, product, f, bytes.NewReader(imageOf(v))); err != nil {
			return err
		}
	}
	extra := reporters
	if r.cluster != nil {
		extra += probing + beating
	}
	all, err := r.enroll(ctx, r.config.devices+extra)
	if err != nil {
		return err
	}
	for _, c := range all[:reporters] {
		r.talk = append(r.talk, &device.Reporter{Credential: c, Dial: r.links.Dial, Acknowledging: r.acknowledged()})
	}
	all = all[reporters:]
	known := all // to operators
	if r.cluster != nil {
		for _, c := range all[:beating] {
			r.cluster.pulses = append(r.cluster.pulses, &device.Pulse{Credential: c})
		}
		known = all[beating:]
		r.cluster.probes.credentials, all = known[:probing], known[probing:]
	}
	r.ids = idsOf(all)
	r.world = newWorld(idsOf(known), groups, versions)
	r.fleet, err = simulator.New(simulator.Config{
		Broker: mqttlite.Broker{Dialer: r.links.Dial}, Devices: all, Client: simulator.Light, Seed: r.seed, Haste: haste, KeepAlive: 30 * time.Second,
	})
	if err != nil {
		return err
	}
	r.background.Go(func() { r.fleet.Run(ctx) })
	return nil
}

// install starts one server, or several on a Cluster, and signs in.
func (r *round) install(ctx context.Context) (err error) {
	if r.config.cluster {
		if r.cluster, err = newCluster(r); err != nil {
			return err
		}
		r.servers = r.cluster.servers
		r.links = cable.NewLinks(r.random("links"), r.cluster.doors()...)
	} else {
		s, err := newServer(r.binary, r.folder)
		if err != nil {
			return err
		}
		r.servers = []*server{s}
		r.small = machine.MountSmall(s.data(), smallStorage)
		r.links = cable.NewLinks(r.random("links"), s.mqtt)
	}
	r.server = r.servers[0]
	for _, s := range r.servers {
		if err := s.start(); err != nil {
			return err
		}
	}
	for _, s := range r.servers {
		if err := s.ready(ctx, healing); err != nil {
			return err
		}
	}
	return signIn(ctx, r.servers)
}

// random is a source of its own for each purpose, so that what one draws does not move another.
func (r *round) random(purpose string) *rand.Rand {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], r.seed)
	copy(seed[8:], purpose)
	return rand.New(rand.NewChaCha8(seed))
}

func idsOf(all []simulator.Credential) (ids []fleet.DeviceID) {
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return ids
}

func (r *round) enroll(ctx context.Context, n int) (all []simulator.Credential, err error) {
	list := api.NewDevices{}
	for i := range n {
		list.IDs = append(list.IDs, fmt.Sprintf("lamp-%d", i))
	}
	imported, err := r.server.client.Import(ctx, product, list)
	if err != nil {
		return nil, err
	}
	for _, id := range list.IDs {
		all = append(all, simulator.Credential{ID: fleet.DeviceID(id), Secret: imported.Secrets[id], Version: fleet.WholeVersion(1)})
	}
	return all, nil
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
