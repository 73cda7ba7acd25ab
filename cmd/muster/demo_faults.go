package main

import (
	"cmp"
	"slices"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

// demoFaults is what goes wrong in the demo.
var demoFaults = simulator.Faults{
	Breaks:    []simulator.Break{{Version: fleet.WholeVersion(faultyVersion), Hardware: hardwareB, Share: 0.3}},
	PowerLoss: []simulator.StageChance{{Stage: simulator.StageDownload, Chance: 0.03}},
	Drop:      0.03,
	Slow:      simulator.Slow{Rate: 96 << 10, Share: 0.03},
}

// firstDevices is how many of the devices the first stage of the demo's plan has.
func firstDevices(devices int) int { return max(min(devices/4, 25), devices/100) }

// mustFail is on how many devices of a first stage the faulty version has to fail, at least, for the
// release to halt there whatever the order in which the updates end.
func mustFail(first int) int { return max(first/8, 1) }

// firstStage returns the devices of the first stage of the product's first release with a plan, as
// default: those with the lowest places among the devices that the default reaches.
func firstStage(roles []role, product fleet.ProductID) (first []role) {
	for _, r := range roles {
		if r.shouldRun() == defaultVersion {
			first = append(first, r)
		}
	}
	salt := uint64(product)<<32 | 1 // as fleet.Catalog.Begin does
	slices.SortFunc(first, func(a, b role) int {
		return cmp.Compare(fleet.Mix(a.id.Hash(), salt), fleet.Mix(b.id.Hash(), salt))
	})
	return first[:min(firstDevices(len(roles)), len(first))]
}

// faultSeed returns the first seed, from one on, with which the faulty version fails on enough
// devices of the first stage. Of a small sample, none might have the fault: then the demo
// could not show what it is about.
func faultSeed(from uint64, first []role) uint64 {
	for seed := from; ; seed++ {
		failing := 0
		for _, r := range first {
			if demoFaults.Broken(seed, r.id, r.hardware, fleet.WholeVersion(faultyVersion)) {
				failing++
			}
		}
		if failing >= mustFail(len(first)) {
			return seed
		}
	}
}
