package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/muster-iot/muster/fleet"
)

// The demo's firmware: every device leaves the factory with version 1.
const (
	factoryVersion    = 1
	prereleaseVersion = 2
	faultyVersion     = 3 // does not run on some devices of hardwareB
	defaultVersion    = 4
)

// The demo's hardware: every third device is of the first revision.
const (
	hardwareA = "rev-a"
	hardwareB = "rev-b"
)

// The demo's groups.
const (
	groupPrerelease = "prerelease"
	groupEU         = "eu"
	groupHoldBack   = "hold-back"
)

// role is one device's part in the demo.
type role struct {
	id          fleet.DeviceID
	gateway     fleet.DeviceID // of a BLE device
	hardware    string
	groups      []string
	development bool
	lock        uint32 // 0: none
}

// Of each demoNeighbours devices the last demoBLE are BLE devices, and the first is their
// gateway.
const (
	demoNeighbours = 20
	demoBLE        = 4
)

// cast assigns roles to n devices. The first ones are fixed, so that even a small fleet has
// every role; the others are drawn at random from seed.
func cast(n int, seed uint64) []role {
	draw := rand.New(rand.NewPCG(seed, 0))
	roles := make([]role, n)
	for i := range roles {
		r := role{id: fleet.DeviceID(fmt.Sprintf("widget-%04d", i+1)), hardware: hardwareB}
		if i%3 == 0 {
			r.hardware = hardwareA
		}
		switch p := draw.Float64(); {
		case i == 0 || p < 0.075:
			r.groups = []string{groupPrerelease}
		case i == 1 || p < 0.30:
			r.groups = []string{groupEU}
		case i == 2 || p < 0.35:
			r.groups = []string{groupHoldBack}
		case i == 3 || p < 0.37:
			r.groups = []string{groupHoldBack, groupPrerelease}
		}
		switch p := draw.Float64(); {
		case i == 4 || p < 0.02:
			r.development = true
		case i == 5 || p < 0.04:
			r.lock = factoryVersion
		case i == 6 || p < 0.05:
			r.lock = prereleaseVersion
		}
		if i%demoNeighbours >= demoNeighbours-demoBLE {
			r.gateway = roles[i-i%demoNeighbours].id
		}
		roles[i] = r
	}
	return roles
}

// shouldRun returns the version that r should run once 2 is released to prerelease, 1 to
// hold-back and 4 as product default. It deliberately implements the rules without the
// server's code, as the verdict checks the server against it.
func (r role) shouldRun() uint32 {
	in := func(group string) bool {
		for _, g := range r.groups {
			if g == group {
				return true
			}
		}
		return false
	}
	switch {
	case r.development:
		return factoryVersion // it left the factory with it, and nobody may change it
	case r.lock != 0:
		return r.lock
	case in(groupPrerelease): // above hold-back's 1, and above the default for its members
		return prereleaseVersion
	case in(groupHoldBack):
		return factoryVersion
	}
	return defaultVersion
}
