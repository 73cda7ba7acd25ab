package rollout

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/precedence"
)

// TestAServerThatDoesNotLeadCountsAndWritesNothing: its own devices need the counts to begin.
func TestAServerThatDoesNotLeadCountsAndWritesNothing(t *testing.T) {
	t.Parallel()
	k := &kills{Fleet: otatest.New(t), draw: rand.New(rand.NewPCG(1, 1)), now: time.Now()}
	k.AddFirmware("1", 100)
	k.AddFirmware("2", 100)
	k.Default("1")
	for i := range 3 {
		k.Device(fleet.DeviceID(fmt.Sprint("d", i)), "1")
	}
	plan := fleet.ReleasePlan{
		Stages: []fleet.ReleaseStage{{Share: 1000}, {Share: fleet.Whole}}, Limits: fleet.ReleaseLimits{AtOnce: 2},
		Halt: fleet.ReleaseHalt{Failures: fleet.Bar{Devices: 3}, Return: time.Hour},
	}
	k.EditCatalog(func(c *fleet.Catalog) {
		if _, err := c.Begin(fleet.Release{Version: otatest.Version("2"), Plan: plan}, time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	k.start()
	leads := false
	k.service.leads = func() bool { return leads }
	look := func() fleet.Release {
		for range 5 {
			k.now = k.now.Add(time.Minute)
			if err := k.service.look(t.Context(), otatest.Product); err != nil {
				t.Fatal(err)
			}
		}
		r, _ := k.release()
		return r
	}
	before, _ := k.release()
	if after := look(); after.Stage != before.Stage || after.Share != before.Share || after.Held != before.Held {
		t.Errorf("it went from %+v to %+v", before, after)
	}
	if full := k.service.pace.Look(pace.Key{Product: otatest.Product, Release: before.ID}, plan.Limits, pace.Device{}, k.now); full.Limit == precedence.LimitUnknown {
		t.Error("it has not counted")
	}
	leads = true
	if after := look(); after.Share != fleet.Whole {
		t.Errorf("once it leads, the share is %s", after.Share)
	}
}
