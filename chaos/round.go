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
	acting     chan struct{}      // an act begins; of one element

	acts, faults, confirmed, reported int
	met, done                         map[string]int // faults and acts by name
	began                             time.Time
}

// run returns what is wrong in the end; an error when the round could not be judged.
func (r *round) run(ctx context.Context) (wrong []string, err error) {
	r.began, r.met, r.done, r.acting = time.Now(), map[string]int{}, map[string]int{}, make(chan struct{}, 1)
	asked := ctx
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
