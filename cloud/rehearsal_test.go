package cloud_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/rehearsal"
	"github.com/muster-iot/muster/simulator"
)

// TestARehearsalPredictsTheHaltOfTheRealRun rehearses a release with faults, and then makes it for
// simulated devices that have those faults.
func TestARehearsalPredictsTheHaltOfTheRealRun(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(50_000, 1, 2)
	w.ReleaseVersion(1)
	var ids []fleet.DeviceID
	for n := range 60 {
		ids = append(ids, fleet.DeviceID(fmt.Sprintf("lamp-%02d", n)))
	}
	fault := rehearsal.Fault{Phase: rehearsal.AtVerify, Share: 5000}
	var good, bad []simulator.Credential
	for _, c := range w.Enroll(ids...) {
		if fault.Strikes(c.ID, 0) {
			bad = append(bad, c)
		} else {
			good = append(good, c)
		}
	}
	cloudtest.WaitOnline(t, w.Simulate(simulator.Config{Client: simulator.Light, Devices: good}))
	fails := simulator.Faults{FailAt: []simulator.StageChance{{Stage: simulator.StageVerify, Chance: 1}}}
	f := w.Simulate(simulator.Config{Client: simulator.Light, Devices: bad, Faults: fails})
	cloudtest.WaitOnline(t, f)

	r := api.Release{Version: cloudtest.Whole(2), Default: new(true), Intelligent: true, Plan: &api.Plan{
		Stages: api.Stages{{Share: percent(3000), Hold: &api.Span{Duration: time.Hour}}, {Share: percent(fleet.Whole)}},
		Gate:   &api.PlanGate{Sample: 5},
		Halt:   &api.PlanHalt{Failures: &api.Bar{Bar: fleet.Bar{Share: 2000}}},
	}}
	predicted := cloudtest.Must[api.Rehearsal](t)(w.RehearseRelease(t.Context(), cloudtest.Lamp, api.Rehearse{
		Release: r, Faults: []api.Fault{{Phase: string(fault.Phase), Share: percent(fault.Share)}},
	}))
	made := cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, r))
	halted := w.until(made.Release.ID, fleet.ReleaseHalted)

	const rule = "ended updates failed or were rolled back"
	if predicted.State != halted.State || !strings.Contains(predicted.Why, rule) || !strings.Contains(halted.Why, rule) || len(predicted.Stages) != halted.Stage {
		t.Errorf("predicted: %s in stage %d: %s\nreal: %s in stage %d: %s", predicted.State, len(predicted.Stages), predicted.Why, halted.State, halted.Stage, halted.Why)
	}
	touched, outside := 0, 0
	in, _ := inside(w.byID(ids), fleet.ProductID(made.ProductID), made.Release.ID, 3000)
	for _, id := range ids {
		if d := w.Record(id); d.Update.To.Equal(fleet.WholeVersion(2)) {
			touched++
			if fleet.Place(id.Hash(), uint64(made.ProductID)<<32|uint64(made.Release.ID)) >= 3000 {
				outside++
			}
		}
	}
	if outside > 0 || predicted.Check.Begun != len(in) || touched > predicted.Check.Begun {
		t.Errorf("predicted that %d devices begin, of %d in the first stage; %d did, %d outside", predicted.Check.Begun, len(in), touched, outside)
	}
	if !predicted.Check.Agrees {
		t.Errorf("the rehearsal does not agree with the impact: %+v", predicted.Check)
	}
}

// byID has an entry for each id.
func (w *world) byID(ids []fleet.DeviceID) map[fleet.DeviceID]*cloudtest.Device {
	all := make(map[fleet.DeviceID]*cloudtest.Device)
	for _, id := range ids {
		all[id] = nil
	}
	return all
}
