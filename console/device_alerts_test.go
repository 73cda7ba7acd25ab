package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// TestThePageOfADeviceHasItsAlerts with their values, also where it is refreshed.
func TestThePageOfADeviceHasItsAlerts(t *testing.T) {
	w := withDevices(t)
	for id, text := range map[fleet.DeviceID]string{"1/d-1": "door open", "1/d-2": "of another"} {
		must[fleet.Alert](t)(w.store.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: id, Type: 7, Text: text, Value: `{"cm":12}`, Raised: time.Now()}))
	}
	for _, path := range []string{"/p/lamp/device/d-1", "/p/lamp/device/d-1/live"} {
		page := body(t, w.send(http.MethodGet, path, nil, w.signed))
		if !strings.Contains(page, "door open") || !strings.Contains(page, "{&#34;cm&#34;:12}") || strings.Contains(page, "of another") {
			t.Errorf("%s: its alert is not there, or that of another:\n%s", path, page)
		}
	}
}

// TestThePageOfAVersionFollowsWhenItFirstRan without a reload.
func TestThePageOfAVersionFollowsWhenItFirstRan(t *testing.T) {
	w := withDevices(t)
	for path, want := range map[string]int{"/p/lamp/firmware/1": 1, "/p/lamp/firmware/1/live": 1} {
		if got := strings.Count(body(t, w.send(http.MethodGet, path, nil, w.signed)), `id="first-ran"`); got != want {
			t.Errorf("%s has %d of them, want %d", path, got, want)
		}
	}
}

// TestTheListOfAllProductsNamesThem in a column; that of one product does not.
func TestTheListOfAllProductsNamesThem(t *testing.T) {
	w := withDevices(t)
	for path, want := range map[string]bool{"/devices": true, "/devices?by=group": true, "/p/lamp/devices": false} {
		page := body(t, w.send(http.MethodGet, path, nil, w.signed))
		if strings.Contains(page, "<th>Product</th>") != want || strings.Contains(page, `data-label="Product"`) != want {
			t.Errorf("%s: it has the column: %v, want %v", path, !want, want)
		}
	}
}
