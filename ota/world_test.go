package ota

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/otatest"
)

const (
	product = otatest.Product
	team    = otatest.Team

	beta fleet.GroupID = 1
)

var v = otatest.Version

// world is a fleet with the Service that updates it, and what package cloud does in production.
type world struct {
	*Service
	*otatest.Fleet
	boots uint64

	mu    sync.Mutex
	named []fleet.DeviceID // by Config.Ready; guarded by mu
}

// ready are the devices that Config.Ready named so far.
func (w *world) ready() []fleet.DeviceID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.named)
}

// next removes and returns the first of ready, "" if there is none.
func (w *world) next() (id fleet.DeviceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.named) > 0 {
		id, w.named = w.named[0], w.named[1:]
	}
	return id
}

func newWorld(t testing.TB, cfg Config) *world { return overFleet(otatest.New(t), cfg) }

// inBubble makes a world for tests in a synctest bubble.
func inBubble(t testing.TB, cfg Config) *world { return overFleet(otatest.InMemory(t), cfg) }

func overFleet(f *otatest.Fleet, cfg Config) *world {
	w := &world{Fleet: f}
	cfg.MaxUpdates = cmp.Or(cfg.MaxUpdates, 1000)
	cfg.MaxBehind = cmp.Or(cfg.MaxBehind, 4)
	cfg.MaxAttempts = cmp.Or(cfg.MaxAttempts, 3)
	if cfg.CoolDown == nil {
		cfg.CoolDown = []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
	}
	cfg.Ready = func(id fleet.DeviceID) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.named = append(w.named, id)
	}
	w.Service = New(cfg, f.Store.Devices, f.Store.Catalogs, image.NewChunker(f.Images, 32<<20, 0))
	return w
}
