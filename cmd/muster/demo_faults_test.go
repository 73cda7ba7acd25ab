package main

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// TestTheFaultyVersionHaltsInItsFirstStage: with any seed, so many of the first stage's devices fail that
// the gate can't hold, and that the halt's bar is passed once all have ended.
func TestTheFaultyVersionHaltsInItsFirstStage(t *testing.T) {
	for _, devices := range []int{40, 41, 60, 100, 200, 999, 20_000} {
		for seed := range uint64(60) {
			roles := cast(devices, seed)
			first := firstStage(roles, 1)
			if len(first) != firstDevices(devices) {
				t.Fatalf("%d devices, seed %d: the first stage has %d of %d devices", devices, seed, len(first), firstDevices(devices))
			}
			failing := 0
			faults := faultSeed(seed, first)
			for _, r := range first {
				if demoFaults.Broken(faults, r.id, r.hardware, fleet.WholeVersion(faultyVersion)) {
					failing++
				}
			}
			plan := (&demo{roles: roles}).plan()
			succeed, of := len(first)-failing, len(first)
			switch {
			case succeed*int(fleet.Whole) >= plan.Gate.Sample*int(plan.Gate.Success.Share): // all others ended before
				t.Errorf("%d devices, seed %d: %d succeed, which passes a gate with a sample of %d", devices, seed, succeed, plan.Gate.Sample)
			case failing*int(fleet.Whole) <= of*int(plan.Halt.Failures.Share):
				t.Errorf("%d devices, seed %d: %d of %d fail, and it halts above %s", devices, seed, failing, of, plan.Halt.Failures.Share)
			}
			if devices == 20_000 && seed > 2 {
				break
			}
		}
	}
}
