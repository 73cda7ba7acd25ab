package cloud_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/redistest"
)

// cost is what do asked of Redis.
func (w *world) cost(do func()) store.Stats {
	before := w.Cloud.Store().Stats()
	do()
	now := w.Cloud.Store().Stats()
	return store.Stats{
		ReadTrips: now.ReadTrips - before.ReadTrips, Reads: now.Reads - before.Reads,
		WriteTrips: now.WriteTrips - before.WriteTrips, Writes: now.Writes - before.Writes,
		Retries: now.Retries - before.Retries,
	}
}

// warm has one device shake hands, so that the product's catalog is cached.
func (w *world) warm() {
	w.Helper()
	w.Dial(w.Enroll("warm")[0]).Hello(1)
}

func TestAdmissionIsOneReadAndHandshakeOneWrite(t *testing.T) {
	t.Parallel()
	t.Run("own redis-server", func(t *testing.T) { oneReadAndOneWrite(t, serve(t)) })
	t.Run("Redis Cluster", func(t *testing.T) {
		cluster, err := redistest.StartCluster(t.TempDir(), 3, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Stop)
		oneReadAndOneWrite(t, serve(t, func(c *cloud.Config) {
			c.Redis.URL = configs.Secret(cluster.URL())
		}))
	})
}

func oneReadAndOneWrite(t *testing.T, w *world) {
	w.UploadVersions(imageSize, 1, 2)
	w.warm()
	device := w.Enroll("a")[0]
	for _, what := range []string{"without an update", "with an update", "with the update under way"} {
		if what == "with an update" {
			w.ReleaseVersion(2)
			w.EditDevice("a", api.DeviceUpdate{Name: api.Some("changed meanwhile")})
		}
		var d *cloudtest.Device
		if got := w.cost(func() { d = w.Dial(device) }); got != (store.Stats{ReadTrips: 1, Reads: 1}) {
			t.Errorf("admission %s: got %+v, want one read", what, got)
		}
		if got := w.cost(func() { d.Hello(1) }); got != (store.Stats{WriteTrips: 1, Writes: 1}) {
			t.Errorf("handshake %s: got %+v, want one write", what, got)
		}
	}
}

// TestDevicesAtOnceShareTrips lets devices reconnect until as many come at once as should:
// on a busy machine they may come one by one.
func TestDevicesAtOnceShareTrips(t *testing.T) {
	t.Parallel()
	const devices, tries = 200, 20
	w := serve(t)
	w.warm()
	ids := make([]fleet.DeviceID, devices)
	for i := range ids {
		ids[i] = fleet.DeviceID(fmt.Sprintf("d%d", i))
	}
	credentials := w.Enroll(ids...)
	all := make([]*cloudtest.Device, devices)
	together := func(do func(i int)) {
		var tasks sync.WaitGroup
		for i := range devices {
			tasks.Go(func() { do(i) })
		}
		tasks.Wait()
	}
	for range tries {
		admissions := w.cost(func() {
			together(func(i int) { all[i] = w.Dial(credentials[i]) })
		})
		handshakes := w.cost(func() {
			together(func(i int) { all[i].Hello(1) })
		})
		t.Logf("%d admissions: %+v; handshakes: %+v", devices, admissions, handshakes)
		if admissions.Reads != devices || admissions.WriteTrips != 0 {
			t.Errorf("%d admissions: got %+v, want as many reads", devices, admissions)
		}
		if handshakes.Writes != devices || handshakes.ReadTrips != 0 {
			t.Errorf("%d handshakes: got %+v, want as many writes", devices, handshakes)
		}
		if admissions.ReadTrips <= devices/2 && handshakes.WriteTrips <= devices/2 {
			return
		}
		together(func(i int) { _ = all[i].Close() })
		cloudtest.Until(t, "all are gone", func() bool { return w.Metric("muster_connections") == 1 })
	}
	t.Errorf("in %d tries, admissions or handshakes never shared their trips by two", tries)
}
