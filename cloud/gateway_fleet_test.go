package cloud_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

// town imports gateways with devices behind each, and returns a fleet of all of them.
func (w *world) town(gateways, behind int, config simulator.Config) *simulator.Fleet {
	w.Helper()
	var ids []fleet.DeviceID
	for n := range gateways {
		ids = append(ids, fleet.DeviceID(fmt.Sprintf("g%03d", n)))
	}
	config.Devices = w.Enroll(ids...)
	for _, gateway := range ids {
		var children []fleet.DeviceID
		for n := range behind {
			id := fleet.DeviceID(fmt.Sprintf("%s-b%02d", gateway, n))
			children = append(children, id)
			config.Devices = append(config.Devices, simulator.Credential{ID: id, Gateway: gateway})
		}
		w.EnrollBehind(gateway, children...)
	}
	return w.Simulate(config)
}

// steady is a cloud whose downloads are bounded per gateway alone.
func steady(k int) func(*cloud.Config) {
	return func(c *cloud.Config) { c.OTA.GatewayUpdates = k }
}

// TestTownOfGatewaysGetsOneRelease has few of them unless MUSTER_TOWN is set.
func TestTownOfGatewaysGetsOneRelease(t *testing.T) {
	gateways, behind := 5, 6
	if os.Getenv("MUSTER_TOWN") != "" {
		gateways, behind = 20, 10
	}
	all := gateways * (1 + behind)
	for name, radio := range map[string]simulator.Radio{
		"relayed": {},
		"cached":  {Caches: true},
		"roaming": {Roam: 4 * time.Second, Rate: 100 << 10, Delay: 5 * time.Millisecond},
		"lossy":   {Rate: 400 << 10, Loss: 0.01},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // radios are slow
			w := serve(t, steady(8))
			w.UploadVersions(imageSize, 1, 2)
			f := w.town(gateways, behind, simulator.Config{Radio: radio})
			if radio.Roam > 0 { // on a busy machine they are never all online at once
				cloudtest.Until(t, "the fleet has connected", func() bool { return f.Snapshot().Totals.Handshakes >= all })
			} else {
				cloudtest.WaitOnline(t, f)
			}
			w.ReleaseVersion(2, cloudtest.Intelligent)
			if radio.Roam > 0 { // somebody is always on the move
				cloudtest.Until(t, "every device runs 2", func() bool { return f.Snapshot().Versions["2"] == all })
				if s := f.Snapshot().Totals; s.Connects <= s.Boots {
					t.Errorf("%d connections, %d boots: nobody moved", s.Connects, s.Boots)
				}
			} else {
				cloudtest.WaitForVersion(t, f, 2)
			}
			cloudtest.VerifyImages(t, f, 2, imageSize)
			if s := f.Snapshot().Totals; s.Malformed != 0 || s.Failed != 0 || s.RolledBack != 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestGatewaysLosePowerInMidUpdate(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	f := w.town(4, 5, simulator.Config{
		Radio:  simulator.Radio{Rate: 100 << 10},
		Faults: simulator.Faults{PowerLoss: []simulator.StageChance{{Stage: simulator.StageDownload, Chance: 0.3}, {Stage: simulator.StageApply, Chance: 0.3}}},
	})
	cloudtest.WaitOnline(t, f)
	w.ReleaseVersion(2, cloudtest.Intelligent)
	for n := 1; n <= 5; n++ {
		cloudtest.Until(t, "the downloads continue", func() bool { return f.Snapshot().Bytes > int64(n)*imageSize })
		f.PowerCycle("g000", "g001", "g002", "g003")
	}
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyImages(t, f, 2, imageSize)
	for _, u := range cloudtest.Must[api.Page[api.Update]](t)(w.Updates(t.Context(), cloudtest.Lamp, api.UpdateFilter{})).Items {
		if u.State != "confirmed" || u.Attempt != 1 {
			t.Errorf("%s: %s at attempt %d", u.DeviceID, u.State, u.Attempt)
		}
	}
}

// MUSTER_TOWN=1 runs a hundred gateways with twenty devices each and logs what it took.
func TestTown(t *testing.T) {
	if os.Getenv("MUSTER_TOWN") == "" {
		t.Skip("MUSTER_TOWN is not set")
	}
	for _, caches := range []bool{false, true} {
		t.Run(fmt.Sprintf("caches=%t", caches), func(t *testing.T) {
			w := serve(t)
			w.UploadVersions(imageSize, 1, 2)
			f := w.town(100, 20, simulator.Config{Radio: simulator.Radio{Caches: caches}, Ramp: 1000})
			cloudtest.WaitOnline(t, f)
			w.ReleaseVersion(2, cloudtest.Intelligent)
			began := time.Now()
			peak := uint64(0)
			cloudtest.Until(t, "every device runs 2", func() bool {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse+m.StackInuse)
				s := f.Snapshot()
				return s.Online == s.Devices && s.Versions["2"] == s.Devices
			})
			cloudtest.VerifyImages(t, f, 2, imageSize)
			s := w.Cloud.OTA().Stats()
			t.Logf("2,100 devices in %v: %d bytes of chunks; peak heap and stacks, simulated devices included: %d MiB",
				time.Since(began).Round(10*time.Millisecond), s.Bytes, peak>>20)
		})
	}
}
