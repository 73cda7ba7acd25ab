package ota

import (
	"testing"

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

// world is a fleet with the Service that updates it, and the conductor of these tests.
type world struct {
	*Service
	*otatest.Fleet
	boots uint64
	ready []fleet.DeviceID // those that Config.Ready named
}

func newWorld(t testing.TB, cfg Config) *world { return overFleet(otatest.New(t), cfg) }

func overFleet(f *otatest.Fleet, cfg Config) *world {
	w := &world{Fleet: f}
	cfg.Ready = func(id fleet.DeviceID) { w.ready = append(w.ready, id) }
	w.Service = New(cfg, f.Store.Devices, f.Store.Catalogs, image.NewChunker(f.Images, 0, 0))
	return w
}
