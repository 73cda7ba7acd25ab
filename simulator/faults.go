package simulator

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Faults is what goes wrong in a simulated fleet. Whether it does is drawn from the seed,
// the device and how many updates the device has begun: the same run has the same faults.
type Faults struct {
	FailAt    []StageChance // the device reports failed (at apply: boots the old version)
	PowerLoss []StageChance // the device loses its power and boots again
	Revert    Chance        // of updates: boots the old version after applying
	Breaks    []Break       // firmware that doesn't run on some devices
	Corrupt   Chance        // of updates: a received byte flips, so the digest differs
	Drop      Chance        // of updates: the connection is lost in the middle
	NotNow    Chance        // of devices: refuse updates from the start ...
	NotNowFor time.Duration // ... for this long; 0: for good
	Slow      Slow
}

// Stage is a point of an update where a fault strikes.
type Stage uint8

// The stages, in the order an update passes them.
const (
	NoStage       Stage = iota
	StageDownload       // in the middle of the image
	StageVerify         // all is there, nothing checked yet
	StageStore          // checked, *stored* not reported yet
	StageApply          // *applying* was reported
)

// StageChance is the share of updates that a fault strikes at a stage.
type StageChance struct {
	Stage  Stage
	Chance Chance
}

// Chance is a probability, 0 to 1.
type Chance float64

// Slow is the share of devices that store no more than Rate bytes per second.
type Slow struct {
	Rate  int64 // bytes per second; 0: none is slow
	Share Chance
}

// Break is firmware that doesn't run on a share of the devices: whenever they install it, they
// boot the old version again.
type Break struct {
	Version  fleet.Version
	Hardware string // the revision of these devices; "": any
	Share    Chance
}

// plan is what goes wrong in one update of one device.
type plan struct {
	update    fleet.UpdateID
	failAt    Stage
	powerLoss Stage // NoStage again once it struck
	revert    bool
	corrupt   bool
	drop      bool
	at        float64 // where in the image a fault of StageDownload strikes, 0 to 1
}

// source is the random numbers of a device's n-th update; n is 0 for what is drawn once
// per device.
func source(seed uint64, id fleet.DeviceID, n int) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id.String()))
	return rand.New(rand.NewPCG(seed^h.Sum64(), uint64(n))) //nolint:gosec // repeatable on purpose
}

// draw decides what goes wrong in the n-th update, from 1, of device id with this hardware.
func (f *Faults) draw(seed uint64, id fleet.DeviceID, hardware string, n int, o *wire.Offer) plan {
	r := source(seed, id, n)
	p := plan{
		update:    o.Update,
		failAt:    strike(r, f.FailAt),
		powerLoss: strike(r, f.PowerLoss),
		revert:    hit(r, f.Revert),
		corrupt:   hit(r, f.Corrupt),
		drop:      hit(r, f.Drop),
		at:        r.Float64(),
	}
	p.revert = p.revert || f.Broken(seed, id, hardware, o.Version)
	return p
}

// Broken reports whether firmware doesn't run on a device of a fleet with this seed. It is the
// same at each try.
func (f *Faults) Broken(seed uint64, id fleet.DeviceID, hardware string, version fleet.Version) bool {
	for n, b := range f.Breaks {
		if b.Version.Equal(version) && (b.Hardware == "" || b.Hardware == hardware) && hit(source(seed, id, -1-n), b.Share) {
			return true
		}
	}
	return false
}

// strike draws for each chance and returns the first stage that is hit. It takes one
// number per chance, whatever comes of it.
func strike(r *rand.Rand, chances []StageChance) Stage {
	stage := NoStage
	for _, c := range chances {
		if hit(r, c.Chance) && (stage == NoStage || c.Stage < stage) {
			stage = c.Stage
		}
	}
	return stage
}

func hit(r *rand.Rand, c Chance) bool { return r.Float64() < float64(c) }

// nature is what is drawn once per device.
type nature struct {
	rate   int64 // bytes per second it stores; 0: no limit
	notNow bool
}

func (f *Faults) nature(seed uint64, id fleet.DeviceID) nature {
	r := source(seed, id, 0)
	n := nature{notNow: hit(r, f.NotNow)}
	if hit(r, f.Slow.Share) {
		n.rate = f.Slow.Rate
	}
	return n
}
