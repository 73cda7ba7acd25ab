package cloud_test

import (
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

const imageSize = 100 << 10 // bytes; 25 chunks of the default size

// eachClient runs test with both kinds of simulated device.
func eachClient(t *testing.T, test func(t *testing.T, kind simulator.ClientKind)) {
	for name, kind := range map[string]simulator.ClientKind{"paho": simulator.Paho, "light": simulator.Light} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // devices wait more than they work
			test(t, kind)
		})
	}
}

func TestFleetRunsTheReleaseAfterItsNextHandshake(t *testing.T) {
	t.Parallel()
	eachClient(t, func(t *testing.T, kind simulator.ClientKind) {
		w := serve(t)
		w.UploadVersions(imageSize, 1, 2)
		f := w.Simulate(simulator.Config{Client: kind, Devices: w.Enroll("a", "b", "c", "d", "e")})
		cloudtest.WaitOnline(t, f)
		w.ReleaseVersion(2)
		if n := f.Snapshot().Totals.Updates; n != 0 {
			t.Errorf("%d updates began without a handshake", n)
		}
		f.Rehello()
		cloudtest.WaitForVersion(t, f, 2)
		cloudtest.VerifyExact(t, f, 2, imageSize)

		updates := cloudtest.Must[api.Page[api.Update]](t)(w.Updates(t.Context(), cloudtest.Lamp, api.UpdateFilter{}))
		for _, u := range updates.Items {
			if u.State != "confirmed" || u.From.String() != "1" || u.To.String() != "2" || u.Attempt != 1 || u.Received != imageSize {
				t.Errorf("update of %s: got %+v", u.DeviceID, u)
			}
		}
		progress := cloudtest.Must[api.Progress](t)(w.Progress(t.Context(), cloudtest.Lamp, cloudtest.Whole(2)))
		if len(updates.Items) != 5 || progress.Devices != 5 || progress.Running != 5 {
			t.Errorf("got %d updates, progress %+v; want 5 of each", len(updates.Items), progress)
		}
	})
}

func TestImmediateReleaseReachesOnlineDevicesAtOnce(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a", "b", "c")})
	cloudtest.WaitOnline(t, f)
	w.ReleaseVersion(2, cloudtest.Intelligent)
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyExact(t, f, 2, imageSize)
}

func TestUpdateRolledBackThreeTimesIsExhausted(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2, 3)
	w.ReleaseVersion(2)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a"), Faults: simulator.Faults{Revert: 1}})
	cloudtest.Until(t, "the device rolled back three times", func() bool { return f.Snapshot().Totals.RolledBack == 3 })
	cloudtest.WaitOnline(t, f)
	cloudtest.Until(t, "the last attempt is counted", func() bool { return w.Record("a").Attempts.Spent == 3 })

	if names := alertNames(w); names["rolled_back"] != 3 || names["update_exhausted"] != 1 {
		t.Errorf("got alerts %v, want rolled_back three times and update_exhausted once", names)
	}
	if why := cloudtest.Must[api.Why](t)(w.Why(t.Context(), "a")); !anyStep(why, "exhausted") {
		t.Errorf("why does not say that it is exhausted: %+v", why.Steps)
	}
	f.PowerCycle()
	cloudtest.Until(t, "it said Hello again", func() bool { return f.Snapshot().Totals.Handshakes >= 5 })
	if n := f.Snapshot().Totals.Updates; n != 3 {
		t.Errorf("got %d updates, want no fourth", n)
	}
	if err := w.RetryUpdate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	cloudtest.Until(t, "a retry begins a fourth", func() bool { return f.Snapshot().Totals.Updates == 4 })
}

func anyStep(why api.Why, word string) bool {
	for _, s := range why.Steps {
		if strings.Contains(s.Detail, word) {
			return true
		}
	}
	return false
}

// alertNames counts the active alerts by name, those of devices by "device".
func alertNames(w *world) map[string]int {
	w.Helper()
	names := map[string]int{}
	for _, a := range cloudtest.Must[api.Page[api.Alert]](w)(w.Alerts(w.Context(), api.AlertFilter{})).Items {
		if a.Name == "" {
			a.Name = "device"
		}
		names[a.Name]++
	}
	return names
}

func TestFailedUpdateWaitsForItsCoolDown(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour} })
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a"), Faults: simulator.Faults{Corrupt: 1}})
	cloudtest.Until(t, "the update failed", func() bool { return f.Snapshot().Totals.Failed == 1 })
	cloudtest.Until(t, "the failure is written", func() bool { return w.Record("a").Update.State == fleet.Failed })
	if u := w.Record("a").Update; u.Reason != wire.ReasonDigest {
		t.Errorf("got reason %s, want that the digest differs", wire.ReasonText(u.Reason))
	}
	f.PowerCycle()
	cloudtest.Until(t, "it said Hello again", func() bool { return f.Snapshot().Totals.Handshakes == 2 })
	if !anyStep(cloudtest.Must[api.Why](t)(w.Why(t.Context(), "a")), "cooling down") {
		t.Error("why does not say that it cools down")
	}
	d, _ := f.Device("a")
	if d.Running.String() != "1" || d.Stats.Updates != 1 {
		t.Errorf("got version %s, %d updates; want 1 and 1: a corrupt image is never installed, nor sent again at once", d.Running, d.Stats.Updates)
	}
}

func TestPowerCutAtAnyStageEndsInTheSameImage(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	for _, stage := range []simulator.Stage{simulator.StageDownload, simulator.StageVerify, simulator.StageStore, simulator.StageApply} {
		t.Run(stage.String(), func(t *testing.T) {
			f := w.Simulate(simulator.Config{
				Devices: w.Enroll(fleet.DeviceID("a-"+stage.String()), fleet.DeviceID("b-"+stage.String())),
				Faults:  simulator.Faults{PowerLoss: []simulator.StageChance{{Stage: stage, Chance: 1}}},
			})
			cloudtest.WaitForVersion(t, f, 2)
			cloudtest.VerifyExact(t, f, 2, imageSize)
			if s := f.Snapshot().Totals; s.Chunks != 2*chunks(imageSize) || s.Boots < 4 {
				t.Errorf("got %d chunks and %d boots, want each chunk once and a boot more per device", s.Chunks, s.Boots)
			}
		})
	}
}

// chunks is how many chunks of the default size make size bytes.
func chunks(size int64) int { return int(wire.ChunkCount(size, wire.DefaultChunk)) }

func TestNewerConnectionTakesOverAndContinuesTheUpdate(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	device := w.Enroll("a")[0]
	older := w.Dial(device)
	older.Hello(1)
	offer := cloudtest.Must[wire.Offer](t)(wire.DecodeOffer(older.Receive(wire.TopicOffer).Payload))
	older.Receive(wire.TopicChunk)

	newer := w.Dial(device)
	older.WaitClosed()
	newer.Hello(1, func(h *wire.Hello) { h.Partial = &wire.Partial{Image: offer.Image(), Next: 5, Chunk: offer.Chunk} })
	again := cloudtest.Must[wire.Offer](t)(wire.DecodeOffer(newer.Receive(wire.TopicOffer).Payload))
	if again.Update != offer.Update || again.First != 5 {
		t.Errorf("got update %s from chunk %d, want the same as before, %s, from 5", again.Update, again.First, offer.Update)
	}
	if c := cloudtest.Must[wire.Chunk](t)(wire.ParseChunk(newer.Receive(wire.TopicChunk).Payload)); c.Index != 5 {
		t.Errorf("got chunk %d first, want 5", c.Index)
	}
	if !cloudtest.Must[api.Device](t)(w.Device(t.Context(), "a")).Online || !w.Online("a") {
		t.Error("the device is taken for offline")
	}
	if w.Record("a").Attempts.Spent != 0 {
		t.Error("a takeover cost an attempt")
	}
}

func TestNotNowIsHonouredUntilAnOperatorForcesTheUpdate(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a"), Faults: simulator.Faults{NotNow: 1}})
	cloudtest.WaitOnline(t, f)
	w.ReleaseVersion(2, cloudtest.Intelligent)
	f.Rehello()
	cloudtest.Until(t, "it said Hello again", func() bool { return f.Snapshot().Totals.Handshakes == 2 })
	if n := f.Snapshot().Totals.Updates; n != 0 {
		t.Fatalf("%d updates began on a device that said \"not now\"", n)
	}
	w.EditDevice("a", api.DeviceUpdate{Forced: new(true)})
	f.Rehello()
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyExact(t, f, 2, imageSize)
}

func TestDeviceThatEnablesUpdatesGetsItsUpdateAtOnce(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	f := w.Simulate(simulator.Config{
		Devices: w.Enroll("a"), Faults: simulator.Faults{NotNow: 1, NotNowFor: 200 * time.Millisecond},
	})
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyExact(t, f, 2, imageSize)
	if n := f.Snapshot().Totals.Handshakes; n != 2 {
		t.Errorf("got %d handshakes, want the first and the confirming one", n)
	}
}

func TestFlashReachesADevelopmentDeviceOnce(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2, 3)
	device := w.Enroll("a")
	w.EditDevice("a", api.DeviceUpdate{Development: new(true)})
	w.ReleaseVersion(3)
	f := w.Simulate(simulator.Config{Devices: device})
	cloudtest.WaitOnline(t, f)
	if n := f.Snapshot().Totals.Updates; n != 0 {
		t.Fatalf("%d updates began on a development device", n)
	}
	if err := w.Flash(t.Context(), "a", cloudtest.Whole(2)); err != nil {
		t.Fatal(err)
	}
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyExact(t, f, 2, imageSize)
	f.Rehello()
	cloudtest.Until(t, "it said Hello again", func() bool { return f.Snapshot().Totals.Handshakes == 3 })
	if d := w.Record("a"); !d.Flash.IsZero() || !d.Lock.IsZero() || f.Snapshot().Totals.Updates != 1 {
		t.Errorf("got flash order %s, lock %s, %d updates; want the order used up, no lock, one update", d.Flash, d.Lock, f.Snapshot().Totals.Updates)
	}
	w.EditDevice("a", api.DeviceUpdate{Development: new(false)}) // decided again at once
	cloudtest.WaitForVersion(t, f, 3)
}

func TestLockWithFlashActsAtOnceAndUnlockAtTheNextHandshake(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2, 3)
	w.ReleaseVersion(3)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a")})
	cloudtest.WaitForVersion(t, f, 3)
	w.EditDevice("a", api.DeviceUpdate{Lock: api.Some(cloudtest.Whole(2)), Flash: true}) // also to a lower version
	cloudtest.WaitForVersion(t, f, 2)
	w.EditDevice("a", api.DeviceUpdate{Lock: api.Null[api.Version]()})
	if d := cloudtest.Must[api.Device](t)(w.Device(t.Context(), "a")); d.Target.String() != "3" || d.TargetReason != "default" {
		t.Errorf("unlocked: got target %s because of %s, want 3, default", d.Target, d.TargetReason)
	}
	f.Rehello()
	cloudtest.WaitForVersion(t, f, 3)
	cloudtest.VerifyExact(t, f, 3, imageSize)
}

func TestSupersededDownloadIsFollowedByTheNewTargetAtOnce(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2, 3)
	w.ReleaseVersion(2)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a"), Faults: simulator.Faults{Slow: simulator.Slow{Rate: 200 << 10, Share: 1}}})
	cloudtest.Until(t, "the download of 2 continues", func() bool { return f.Snapshot().Totals.Chunks > 2 })
	w.ReleaseVersion(3) // a standard release: it still takes the place of what it replaces
	cloudtest.WaitForVersion(t, f, 3)
	cloudtest.VerifyExact(t, f, 3, imageSize)
	updates := cloudtest.Must[[]api.Update](t)(w.DeviceUpdates(t.Context(), "a"))
	if len(updates) != 2 || updates[0].State != "confirmed" || updates[1].State != "superseded" || updates[1].To.String() != "2" {
		t.Errorf("got %+v, want the update to 2 superseded and the one to 3 confirmed", updates)
	}
	if d := w.Record("a"); d.Attempts.Spent != 0 {
		t.Errorf("it cost %d attempts", d.Attempts.Spent)
	}
}

func TestStopByAnOperatorEndsTheDownloadWithinItsWindow(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	d := w.Dial(w.Enroll("a")[0])
	d.Hello(1)
	offer := cloudtest.Must[wire.Offer](t)(wire.DecodeOffer(d.Receive(wire.TopicOffer).Payload))
	d.Receive(wire.TopicChunk)

	if err := w.StopUpdate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	sent := w.Cloud.OTA().Stats().Chunks
	var h cloudtest.Message
	received := uint32(0)
	for ; h.Topic.Kind != wire.TopicStop; received++ { // chunks of the first window are on their way
		_, h = d.Next()
	}
	if received > wire.DefaultWindow {
		t.Errorf("the Stop came after %d chunks, more than the window of %d", received, wire.DefaultWindow)
	}
	if s := cloudtest.Must[wire.Stop](t)(wire.DecodeStop(h.Payload)); s.Reason != wire.ReasonStopped || s.Update != offer.Update {
		t.Errorf("got %+v", s)
	}
	d.Send(wire.TopicWant, 0, wire.Want{Image: offer.Image(), First: 8, Count: 8}.Encode())
	if s := cloudtest.Must[wire.Stop](t)(wire.DecodeStop(d.Receive(wire.TopicStop).Payload)); s.Reason != wire.ReasonNotNow {
		t.Errorf("a Want after the Stop: got reason %d, want 14", s.Reason)
	}
	d.WaitAck(d.Send(wire.TopicMessage, 1, []byte("still here")), func(h cloudtest.Message) { t.Errorf("got %s after the Stop", h.Topic) })
	if now := w.Cloud.OTA().Stats().Chunks; now != sent {
		t.Errorf("%d chunks were sent after the Stop", now-sent)
	}
	if welcome := d.Hello(1); welcome.Reason != wire.ReasonStopped {
		t.Errorf("the next Hello: got reason %d, want 2: held until the target changes or someone retries", welcome.Reason)
	}
}

func TestAFailedUpdateIsTriedAgainWithoutAReconnect(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.OTA.MaxSessionAge = 20 * time.Second }) // looks each 200 ms
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	failing := simulator.Faults{FailAt: []simulator.StageChance{{Stage: simulator.StageVerify, Chance: 1}}}
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a"), Faults: failing})
	cloudtest.Until(t, "the device failed three times", func() bool { return f.Snapshot().Totals.Failed == 3 })
	cloudtest.Until(t, "it is exhausted", func() bool { return alertNames(w)["update_exhausted"] == 1 })
	if connects := f.Snapshot().Totals.Connects; connects != 1 {
		t.Errorf("got %d connections, want 1: the cloud asks for a Hello", connects)
	}
}
