package cloud_test

import (
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

// TestAReleaseReachesItsDevicesBySteppingStones: version 3 is for devices that run 2. Those that run 1
// get 2 first, and each counts once; one from which no version leads there costs nothing and raises an alert.
func TestAReleaseReachesItsDevicesBySteppingStones(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2, 3)
	for version, requires := range map[uint32]string{2: ">=1", 3: ">=2"} {
		cloudtest.Must[api.Firmware](t)(w.EditFirmware(t.Context(), cloudtest.Lamp, cloudtest.Whole(version), api.FirmwareFields{Requires: new(requires)}))
	}
	w.ReleaseVersion(1)
	devices := w.Enroll("a", "b", "c", "d")
	strange, err := fleet.ParseVersion("0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	devices[3].Version = strange
	cloudtest.Must[api.Firmware](t)(w.EditFirmware(t.Context(), cloudtest.Lamp, cloudtest.Whole(1), api.FirmwareFields{Requires: new(">=1")}))
	f := w.Simulate(simulator.Config{Devices: devices})
	cloudtest.WaitOnline(t, f)

	order := api.Release{Version: cloudtest.Whole(3), Intelligent: true, Plan: &api.Plan{
		Stages: api.Stages{{Share: percent(fleet.Whole), Approve: true}}, Gate: &api.PlanGate{Sample: 3, Success: percent(fleet.Whole)},
	}}
	impact := cloudtest.Must[api.Impact](t)(w.PreviewRelease(t.Context(), cloudtest.Lamp, order))
	if b := impact.Devices.Blocked; impact.Devices.Update.Total != 4 || len(b) != 1 || b[0] != (api.ReasonCount{Reason: "no_way", Total: 1}) {
		t.Errorf("got impact %+v", impact.Devices)
	}
	released := cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, order))
	three := fleet.WholeVersion(3)
	cloudtest.Until(t, "three devices run 3", func() bool { return f.Snapshot().Versions["3"] == 3 })
	cloudtest.Until(t, "the release counts each of them once", func() bool {
		n := w.release(released.Release.ID).Devices
		return n.Targets == 4 && n.Confirmed == 3 && n.Running == 3 && n.Failed == 0 && n.Waiting["no_way"] == 1
	})
	for _, id := range []fleet.DeviceID{"a", "b", "c"} {
		if status, _ := f.Device(id); status.Stats.Updates != 2 || !status.Running.Equal(three) || len(status.Tried) != 2 || !status.Tried[0].Equal(fleet.WholeVersion(2)) {
			t.Errorf("%s: got %d updates, tried %v, want 2 and then 3", id, status.Stats.Updates, status.Tried)
		}
	}
	if status, _ := f.Device("d"); status.Stats.Updates != 0 || w.Record("d").Attempts.Spent != 0 {
		t.Errorf("d has no way: got %+v", status)
	}
	why := cloudtest.Must[api.Why](t)(w.Why(t.Context(), "d"))
	if !anyStep(why, "no way from 0.1.0: 3 can only be installed over >=2, and no uploaded version leads there") {
		t.Errorf("why: got %+v", why.Steps)
	}
	cloudtest.Until(t, "an alert about it", func() bool { return noWays(w, "3 can only") == 1 }) // there is one about version 1, too
	f.Rehello("d")
	cloudtest.Until(t, "it said Hello again", func() bool { status, _ := f.Device("d"); return status.Stats.Handshakes > 1 })
	if n := noWays(w, "3 can only"); n != 1 {
		t.Errorf("got %d alerts about version 3, want one", n)
	}
	history := cloudtest.Must[[]api.Update](t)(w.DeviceUpdates(t.Context(), "a"))
	if len(history) != 2 || history[0].Goal != nil || history[1].Goal == nil || history[1].Goal.String() != "3" || history[1].To.String() != "2" {
		t.Errorf("got %+v", history)
	}
	if text := strings.Join(reasons(why), " "); !strings.Contains(text, "requires") {
		t.Errorf("got rules %s", text)
	}
}

// noWays counts the alerts about devices without a way whose text has this part.
func noWays(w *world, part string) (n int) {
	w.Helper()
	for _, a := range cloudtest.Must[api.Page[api.Alert]](w)(w.Alerts(w.Context(), api.AlertFilter{})).Items {
		if a.Name == "no_way" && strings.Contains(a.Text, part) {
			n++
		}
	}
	return n
}

func reasons(why api.Why) (rules []string) {
	for _, s := range why.Steps {
		rules = append(rules, s.Rule)
	}
	return rules
}
