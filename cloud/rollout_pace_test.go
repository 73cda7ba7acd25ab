package cloud_test

import (
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// inZone makes a device report its time zone.
func inZone(name string) func(*wire.Hello) {
	return func(h *wire.Hello) {
		h.Window = 0
		h.Facts = append([]byte{0xa1, 0x62, 't', 'z', 0x60 + byte(len(name))}, name...)
	}
}

// TestDevicesWaitForTheirWindowAndForRoom: a device outside its window, one whose zone is not
// known and one for which a limit leaves no room wait; each is sent a time where there is one,
// none spends an attempt, and REST counts them by cause.
func TestDevicesWaitForTheirWindowAndForRoom(t *testing.T) {
	t.Parallel()
	w := serve(t)
	devices := w.fleetOf(5)
	now := time.Now().UTC()
	clock := func(at time.Time) string { return at.Format("15:04") }
	plan := &api.Plan{
		Stages:  api.Stages{{Share: percent(fleet.Whole)}},
		Windows: []api.PlanWindow{{From: clock(now.Add(-time.Hour)), To: clock(now.Add(3 * time.Hour)), Zone: "device"}},
		Limits:  &api.PlanLimits{AtOnce: 1},
	}
	f := cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: plan}))
	id := f.Release.ID
	first, second, tokyo, nowhere := devices["lamp-00"], devices["lamp-01"], devices["lamp-02"], devices["lamp-03"]
	cloudtest.Until(t, "devices are counted and one begins", func() bool { return first.Hello(1, inZone("UTC")).Reason == 0 })
	offer := first.ReceiveOffer()
	for name, row := range map[string]struct {
		device    *cloudtest.Device
		zone      func(*wire.Hello)
		reason    fleet.ReasonCode
		from, to  time.Duration // of the next try
		rule, why string
	}{
		"in Tokyo":     {tokyo, inZone("Asia/Tokyo"), wire.ReasonNotNow, 13 * time.Hour, 15*time.Hour + 10*time.Minute, "window", "outside the release's windows"},
		"in no zone":   {nowhere, noWindow, wire.ReasonNotNow, 0, 0, "window", "fact \"tz\""},
		"without room": {second, inZone("UTC"), wire.ReasonBusy, time.Second, time.Hour, "limits", "1 devices at once, and 1 are being updated"},
	} {
		welcome := row.device.Hello(1, row.zone)
		if welcome.Reason != row.reason || welcome.Again < row.from || welcome.Again > row.to || !welcome.Target.Equal(fleet.WholeVersion(2)) {
			t.Errorf("%s: got %+v", name, welcome)
		}
		trace := cloudtest.Must[api.Why](t)(w.Why(t.Context(), string(row.device.ID)))
		said := ""
		for _, step := range trace.Steps {
			if step.Rule == row.rule {
				said = step.Outcome + ": " + step.Detail
			}
		}
		if !strings.HasPrefix(said, "holds it back: ") || !strings.Contains(said, row.why) {
			t.Errorf("%s: why says %q", name, said)
		}
		if d := w.Record(row.device.ID); d.Attempts.Spent != 0 || d.Update.State != fleet.NoUpdate {
			t.Errorf("%s: %d attempts, %s", name, d.Attempts.Spent, d.Update.State)
		}
	}
	cloudtest.Until(t, "they are counted by cause", func() bool {
		n := w.release(id).Devices
		return n.Waiting["window"] == 1 && n.Waiting["zone_unknown"] == 2 && n.Waiting["at_once"] == 1 && n.Updating["offered"] == 1
	})
	finish(first, offer, true)
	first.Hello(2, func(h *wire.Hello) { h.Boot = 99 }, inZone("UTC"))
	cloudtest.Until(t, "there is room again", func() bool { return w.release(id).Devices.Waiting["at_once"] == 0 })
	if welcome := second.Hello(1, inZone("UTC")); welcome.Reason != 0 {
		t.Fatalf("the second: %+v", welcome)
	}
	second.ReceiveOffer()
}

// TestAReleaseBeginsWithSoManyDevices: exactly the devices with the lowest places get it first, a
// device that joins later does not, and the next stage keeps them.
func TestAReleaseBeginsWithSoManyDevices(t *testing.T) {
	t.Parallel()
	w := serve(t)
	devices := w.fleetOf(20)
	plan := &api.Plan{Stages: api.Stages{{Devices: 7, Approve: true, Hold: &api.Span{}}, {Share: percent(1000), Hold: &api.Span{Duration: time.Hour}}, {Share: percent(fleet.Whole)}}}
	r := api.Release{Version: cloudtest.Whole(2), Plan: plan}
	if impact := cloudtest.Must[api.Impact](t)(w.PreviewRelease(t.Context(), cloudtest.Lamp, r)); impact.Devices.Update.Total != 7 {
		t.Errorf("the impact is %d devices", impact.Devices.Update.Total)
	}
	f := cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, r))
	id := f.Release.ID
	insiders := map[fleet.DeviceID]bool{}
	for device, d := range devices {
		if welcome := d.Hello(1, noWindow); welcome.Target.Equal(fleet.WholeVersion(2)) {
			insiders[device] = true
		}
	}
	staged := w.release(id)
	if len(insiders) != 7 || staged.Devices.Targets != 7 || !strings.Contains(staged.Why, "stage 1 of 3, 7 devices") {
		t.Errorf("%d are inside; %d targets, %s", len(insiders), staged.Devices.Targets, staged.Why)
	}
	w.until(id, fleet.ReleaseWaiting)
	w.act(id, "approve")
	if after := w.release(id).Devices; after.Targets < 7 {
		t.Errorf("a tenth of 20 devices are %d: the first stage had 7", after.Targets)
	}
}

// TestAReleaseBeginsWithAGroup: the members of a group get it before all others.
func TestAReleaseBeginsWithAGroup(t *testing.T) {
	t.Parallel()
	w := serve(t)
	devices := w.fleetOf(6)
	cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, "canary", ""))
	for _, id := range []fleet.DeviceID{"lamp-01", "lamp-04"} {
		w.EditDevice(id, api.DeviceUpdate{Groups: api.Some(api.Names{"canary"})})
	}
	plan := &api.Plan{Stages: api.Stages{{Group: "canary", Approve: true, Hold: &api.Span{}}, {Share: percent(fleet.Whole)}}}
	f := cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: plan}))
	for device, d := range devices {
		inGroup := device == "lamp-01" || device == "lamp-04"
		if welcome := d.Hello(1, noWindow); welcome.Target.Equal(fleet.WholeVersion(2)) != inGroup {
			t.Errorf("%s: its target is %s", device, welcome.Target)
		}
	}
	staged := w.until(f.Release.ID, fleet.ReleaseWaiting)
	if staged.Devices.Targets != 2 || staged.Devices.Reach != 6 || staged.Plan.Stages[0].Group != "canary" {
		t.Errorf("got %+v, %+v", staged.Devices, staged.Plan.Stages)
	}
	w.act(f.Release.ID, "approve")
	if welcome := devices["lamp-02"].Hello(1, noWindow); !welcome.Target.Equal(fleet.WholeVersion(2)) {
		t.Errorf("after the approval: its target is %s", welcome.Target)
	}
}

// TestAnUnhealthyReleaseHalts: two updated devices raise alerts, which halts it; it asks a person
// what to do, who resumes it.
func TestAnUnhealthyReleaseHalts(t *testing.T) {
	t.Parallel()
	w := serve(t)
	devices := w.fleetOf(30)
	plan := tenth(func(p *api.Plan) {
		p.Stages[0].Share, p.Stages[0].Hold = percent(5000), &api.Span{Duration: 20 * time.Second}
		p.Halt = &api.PlanHalt{Unhealthy: &api.Bar{Bar: fleet.Bar{Devices: 2}}}
		p.OnHalt = "ask"
	})
	f := cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: plan}))
	id := f.Release.ID
	in, out := inside(devices, fleet.ProductID(f.ProductID), id, 5000)
	if len(in) < 4 || len(out) < 4 {
		t.Fatalf("%d inside, %d outside", len(in), len(out))
	}
	cloudtest.Until(t, "the release is observed", func() bool { return w.release(id).Held.Duration > 0 })
	for _, device := range in[:3] {
		d := devices[device]
		d.Hello(1, noWindow)
		finish(d, d.ReceiveOffer(), true)
		d.Hello(2, func(h *wire.Hello) { h.Boot = 99 })
	}
	for _, device := range in[:2] {
		d := devices[device]
		d.WaitAck(d.Send(wire.TopicAlert, 1, wire.Alert{Type: 1, Text: "too hot"}.Encode()), func(cloudtest.Message) {})
	}
	halted := w.until(id, fleet.ReleaseHalted)
	if !strings.HasPrefix(halted.Why, "2 of 3 updated devices are unhealthy") || !strings.HasSuffix(halted.Why, "resume it, revert it or finish it") || halted.Devices.Unhealthy != 2 {
		t.Errorf("got %q, %+v", halted.Why, halted.Devices)
	}
	asks := func() bool {
		alerts := cloudtest.Must[api.Page[api.Alert]](t)(w.Alerts(t.Context(), api.AlertFilter{Limit: 10}))
		for _, a := range alerts.Items {
			if a.Name == "release_asks" && a.Device == "" && strings.Contains(a.Text, "release 1 of version 2 in product lamp") {
				return true
			}
		}
		return false
	}
	cloudtest.Until(t, "an alert asks a person", asks)
	w.act(id, "resume")
	if again := w.release(id); again.State != "running" {
		t.Errorf("after it was resumed it is %s: %s", again.State, again.Why)
	}
}
