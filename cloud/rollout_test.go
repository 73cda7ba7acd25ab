package cloud_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func percent(share fleet.Share) api.Percent { return api.Percent{Share: share} }

// tenth releases to a tenth of the devices, and to all once a person approves.
func tenth(change ...func(*api.Plan)) *api.Plan {
	hold := &api.Span{}
	p := &api.Plan{
		Stages: api.Stages{{Share: percent(1000), Hold: hold, Approve: true}, {Share: percent(fleet.Whole), Hold: hold}},
		Halt:   &api.PlanHalt{Failures: &api.Bar{Bar: fleet.Bar{Devices: 2}}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

// fleetOf enrolls n devices that run version 1, the product default, and are connected.
func (w *world) fleetOf(n int) map[fleet.DeviceID]*cloudtest.Device {
	w.Helper()
	w.UploadVersions(5000, 1, 2, 3)
	w.ReleaseVersion(1)
	devices := map[fleet.DeviceID]*cloudtest.Device{}
	var ids []fleet.DeviceID
	for i := range n {
		ids = append(ids, fleet.DeviceID(fmt.Sprintf("lamp-%02d", i)))
	}
	for _, c := range w.Enroll(ids...) {
		d := w.Dial(c)
		d.Hello(1)
		devices[c.ID] = d
	}
	return devices
}

func (w *world) release(id uint32) api.StagedRelease {
	w.Helper()
	return cloudtest.Must[api.StagedRelease](w)(w.OneRelease(w.Context(), cloudtest.Lamp, id))
}

func (w *world) act(id uint32, action string) api.StagedRelease {
	w.Helper()
	return cloudtest.Must[api.StagedRelease](w)(w.ActOnRelease(w.Context(), cloudtest.Lamp, id, action))
}

func (w *world) until(id uint32, state fleet.ReleaseState) api.StagedRelease {
	w.Helper()
	cloudtest.Until(w, "release is "+state.String(), func() bool { return w.release(id).State == state.String() })
	return w.release(id)
}

// finish answers an offer as a device that takes it well, or fails.
func finish(d *cloudtest.Device, o wire.Offer, well bool) {
	if !well {
		d.Report(o, wire.ReportFailed, wire.ReasonDigest)
		return
	}
	d.Report(o, wire.ReportStored, 0)
	d.Report(o, wire.ReportApplying, 0)
}

// inside sorts devices by whether release id includes them.
func inside(devices map[fleet.DeviceID]*cloudtest.Device, product fleet.ProductID, id uint32, share fleet.Share) (in, out []fleet.DeviceID) {
	for device := range devices {
		if fleet.Place(device.Hash(), uint64(product)<<32|uint64(id)) < share {
			in = append(in, device)
		} else {
			out = append(out, device)
		}
	}
	return in, out
}

// TestAReleaseGrowsByItsPlan: a tenth of the devices get it at their next handshake, a person
// approves, the rest gets it, and it is done.
func TestAReleaseGrowsByItsPlan(t *testing.T) {
	t.Parallel()
	w := serve(t)
	devices := w.fleetOf(40)
	r := api.Release{Version: cloudtest.Whole(2), Plan: tenth()}
	impact := cloudtest.Must[api.Impact](t)(w.PreviewRelease(t.Context(), cloudtest.Lamp, r))
	f := cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, r))
	if f.Release == nil || f.Release.Share.Share != 1000 || f.Release.State != "running" {
		t.Fatalf("got %+v", f.Release)
	}
	id := f.Release.ID
	in, out := inside(devices, fleet.ProductID(f.ProductID), id, 1000)
	if impact.Devices.Update.Total != len(in) || len(in) == 0 {
		t.Errorf("the impact said %d devices, %d are inside", impact.Devices.Update.Total, len(in))
	}
	for _, device := range out {
		if welcome := devices[device].Hello(1, noWindow); !welcome.Target.Equal(fleet.WholeVersion(1)) {
			t.Errorf("%s is outside, and its target is %s", device, welcome.Target)
		}
	}
	for _, device := range in {
		d := devices[device]
		d.Hello(1, noWindow)
		finish(d, d.ReceiveOffer(), true)
		d.Hello(2, func(h *wire.Hello) { h.Boot = 99 })
	}
	waiting := w.until(id, fleet.ReleaseWaiting)
	if n := waiting.Devices; n.Targets != len(in) || n.Confirmed != len(in) || n.Reach != 40 || n.Failed != 0 || !strings.Contains(waiting.Why, "approval") {
		t.Errorf("got %+v, %+v", waiting, waiting.Devices)
	}
	w.act(id, "approve")
	for _, device := range out {
		if welcome := devices[device].Hello(1, noWindow); !welcome.Target.Equal(fleet.WholeVersion(2)) {
			t.Errorf("%s: after the approval its target is %s", device, welcome.Target)
		}
	}
	done := w.until(id, fleet.ReleaseDone)
	if done.Devices != nil || done.Share.Share != fleet.Whole {
		t.Errorf("got %+v", done)
	}
}

// noWindow makes a device take no chunks that it did not ask for.
func noWindow(h *wire.Hello) { h.Window = 0 }

// TestAReleaseHaltsByItself: two failures halt it; a running download stops at once and at no
// cost, a device that waits gets nothing, one that runs it keeps it, and a revert takes it back.
func TestAReleaseHaltsByItself(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour} }) // the halt would end another attempt, and its failure
	devices := w.fleetOf(60)
	f := cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: tenth(func(p *api.Plan) {
		p.Stages[0].Share = percent(3000)
	})}))
	id := f.Release.ID
	in, _ := inside(devices, fleet.ProductID(f.ProductID), id, 3000)
	if len(in) < 5 {
		t.Fatalf("%d devices are inside", len(in))
	}
	offers := map[fleet.DeviceID]wire.Offer{}
	for _, device := range in[:4] {
		d := devices[device]
		d.Hello(1, noWindow)
		offers[device] = d.ReceiveOffer()
	}
	confirmed, downloads, fails, waits := in[0], in[1], in[2:4], in[4]
	finish(devices[confirmed], offers[confirmed], true)
	devices[confirmed].Hello(2, func(h *wire.Hello) { h.Boot = 99 })
	for _, device := range fails {
		finish(devices[device], offers[device], false)
	}
	stop, err := wire.DecodeStop(devices[downloads].Receive(wire.TopicStop).Payload)
	if err != nil || stop.Reason != wire.ReasonSuperseded {
		t.Errorf("got %+v, %v", stop, err)
	}
	halted := w.until(id, fleet.ReleaseHalted)
	if halted.Why != "2 of 3 ended updates failed or were rolled back; it halts at 2" || halted.Devices.Confirmed != 1 || halted.Devices.Failed != 2 {
		t.Errorf("got %q, %+v", halted.Why, halted.Devices)
	}
	if d := w.Record(downloads); d.Attempts.Spent != 0 || d.Update.State != fleet.Superseded {
		t.Errorf("a stopped device: %d attempts, %s", d.Attempts.Spent, d.Update.State)
	}
	if welcome := devices[waits].Hello(1, noWindow); !welcome.Target.Equal(fleet.WholeVersion(1)) {
		t.Errorf("one that waited: target %s", welcome.Target)
	}
	if keeps := cloudtest.Must[api.Device](t)(w.Device(t.Context(), string(confirmed))); !keeps.Target.Equal(fleet.WholeVersion(2)) {
		t.Errorf("one that runs it: target %s", keeps.Target)
	}
	w.act(id, "revert")
	if welcome := devices[confirmed].Hello(2, noWindow, func(h *wire.Hello) { h.Boot = 99 }); !welcome.Target.Equal(fleet.WholeVersion(1)) || welcome.Reason != 0 {
		t.Errorf("after the revert: %+v", welcome)
	}
	back := devices[confirmed].ReceiveOffer()
	if !back.Version.Equal(fleet.WholeVersion(1)) || w.release(id).State != "reverting" {
		t.Errorf("it is offered %s; the release is %s", back.Version, w.release(id).State)
	}
	finish(devices[confirmed], back, true)
	devices[confirmed].Hello(1, func(h *wire.Hello) { h.Boot = 100 })
	w.until(id, fleet.ReleaseReverted)
	if f, _, err := w.OneFirmware(t.Context(), cloudtest.Lamp, cloudtest.Whole(1)); err != nil || !f.Default {
		t.Errorf("version 1 is the default: %t, %v", f.Default, err)
	}
	audit := cloudtest.Must[api.Page[api.AuditEntry]](t)(w.Audit(t.Context(), api.AuditFilter{Action: "release", Limit: 10}))
	var actions []string
	for _, e := range audit.Items {
		if e.Action != "release.waiting" { // it waits for the approval if it is looked at before the failures
			actions = append(actions, e.Action)
		}
	}
	if got := strings.Join(actions, " "); got != "release.reverted release.revert release.halted" {
		t.Errorf("audited: %s", got)
	}
}

// TestAReleaseSurvivesAKill kills the server while a stage is held, and again after it halted.
func TestAReleaseSurvivesAKill(t *testing.T) {
	t.Parallel()
	p := cloudtest.Spawn(t)
	client := p.Owner()
	ctx := t.Context()
	if _, err := client.CreateProduct(ctx, "Lamp", cloudtest.Lamp); err != nil {
		t.Fatal(err)
	}
	cloudtest.UploadVersions(t, client, 5000, 1, 2)
	if _, err := client.Release(ctx, cloudtest.Lamp, api.Release{Version: cloudtest.Whole(1)}); err != nil {
		t.Fatal(err)
	}
	plan := tenth(func(p *api.Plan) { p.Stages[0].Hold = &api.Span{Duration: 10 * time.Second} })
	f := cloudtest.Must[api.Firmware](t)(client.Release(ctx, cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: plan}))
	id := f.Release.ID
	read := func() api.StagedRelease {
		t.Helper()
		return cloudtest.Must[api.StagedRelease](t)(p.Owner().OneRelease(ctx, cloudtest.Lamp, id))
	}
	began := time.Now()
	cloudtest.Until(t, "held time is stored", func() bool { return read().Held.Duration >= 3*time.Second })
	stored := read().Held
	p.Kill()
	p.Start()
	if after := read(); after.State != "running" || after.Held.Duration < stored.Duration || after.Share.Share != 1000 {
		t.Fatalf("before the kill held for %s, after it %+v", stored, after)
	}
	cloudtest.Until(t, "the hold is over", func() bool { return read().State == "waiting" })
	if took := time.Since(began); took < 10*time.Second {
		t.Errorf("a hold of 10s took %s: the kill skipped a part of it", took)
	}
	if _, err := p.Owner().ActOnRelease(ctx, cloudtest.Lamp, id, "halt"); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	p.Start()
	if after := read(); after.State != "halted" {
		t.Errorf("after the kill it is %s", after.State)
	}
}
