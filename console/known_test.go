package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/job"
)

// TestOnlyDevicesThatHaveAPageAreLinks: what was sent, raised or tried is kept longer than a device is.
func TestOnlyDevicesThatHaveAPageAreLinks(t *testing.T) {
	w := withDevices(t)
	for _, id := range []fleet.DeviceID{"1/d-1", "1/gone"} {
		must[fleet.Alert](t)(w.store.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: id, Name: "rolled_back", Raised: time.Now()}))
		must[string](t)(w.store.Messages.Append(t.Context(), fleet.Message{Team: 1, Device: id, Topic: "t", Received: time.Now()}))
	}
	must[job.Job](t)(w.jobs.Start(t.Context(), owner, job.Order{Product: 1, Action: job.Flash, Version: fleet.WholeVersion(1), Devices: []fleet.DeviceID{"d-1", "gone"}}))
	w.finish() // d-1 is offline
	for _, path := range []string{"/alerts", "/alerts/kinds", "/messages", "/jobs/1"} {
		page := body(t, w.send(http.MethodGet, path, nil, w.signed))
		for id, linked := range map[string]bool{"d-1": true, "gone": false} {
			if got := strings.Contains(page, fmt.Sprintf(`href="/devices/%s"`, id)); got != linked || !strings.Contains(page, ">"+id+"<") {
				t.Errorf("%s: %s is a link: %v, want %v", path, id, got, linked)
			}
		}
	}
}
