package cloud_test

import (
	"os"
	"testing"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{ // of the buckets in this process
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	cloudtest.Main(m)
}

// world is a running server, with what only the tests of this package need.
type world struct{ *cloudtest.Server }

func serve(t testing.TB, edits ...func(*cloud.Config)) *world {
	t.Helper()
	return &world{cloudtest.Serve(t, edits...)}
}

// runs verifies that the device's last update ended with version.
func (w *world) runs(id fleet.DeviceID, version uint32) {
	w.Helper()
	if d := w.Record(id); !d.Running.Equal(fleet.WholeVersion(version)) || d.Update.State != fleet.Confirmed {
		w.Errorf("%s runs %s, update %s; want %d, confirmed", id, d.Running, d.Update.State, version)
	}
}

func (w *world) isOnline(id fleet.DeviceID, want bool) {
	w.Helper()
	if got := w.Online(id); got != want {
		w.Errorf("%s: online is %t, want %t", id, got, want)
	}
}
