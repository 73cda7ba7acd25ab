package browsertest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// timed are pages whose work could grow with the fleet.
var timed = []string{
	"/p/lamp/devices", "/p/lamp/devices?sort=-name&from=9950", "/p/lamp/devices?q=99&online=no&locked=no", "/p/lamp/device/widget-000001",
	"/p/lamp/firmware", "/p/lamp/firmware/1/confirm?default=yes", "/p/lamp/fleet",
}

// serverTime asks for a page and returns how long the server worked on it, in milliseconds.
func (w *world) serverTime(t testing.TB, jar *http.Client, path string) float64 {
	t.Helper()
	answer, err := jar.Do(cloudtest.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, w.address(path), nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, ok := strings.CutPrefix(answer.Header.Get("Server-Timing"), "page;dur=")
	if answer.StatusCode != http.StatusOK || !ok {
		t.Fatalf("%s: got %s, server time %q", path, answer.Status, answer.Header.Get("Server-Timing"))
	}
	return cloudtest.Must[float64](t)(strconv.ParseFloat(text, 64))
}

func TestPagesReportTheServersTime(t *testing.T) {
	t.Parallel()
	w := manyDevices(t, 500)
	jar := w.jar(t, cloudtest.OwnerEmail)
	for _, path := range timed {
		t.Logf("%s: %v ms", path, w.serverTime(t, jar, path))
	}
}

// manyDevices serves a product with n devices and a released version.
func manyDevices(t testing.TB, n int) *world {
	t.Helper()
	w := &world{cloudtest.Serve(t)}
	w.UploadVersions(imageSize, 1)
	w.ReleaseVersion(1)
	for i := 0; i < n; i += 500 {
		var ids []fleet.DeviceID
		for j := i; j < min(n, i+500); j++ {
			ids = append(ids, fleet.DeviceID(fmt.Sprintf("widget-%06d", j)))
		}
		w.Enroll(ids...)
	}
	return w
}
