package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

func TestAlertsOfOneKindAreOneRowAndArchivedAtOnce(t *testing.T) {
	w := withDevices(t)
	raise := func(device fleet.DeviceID, name, text string) {
		must[fleet.Alert](t)(w.store.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: device, Name: name, Text: text, Raised: time.Now()}))
	}
	for i := range 130 {
		raise(fleet.DeviceID(fmt.Sprintf("d-%d", i%10)), "rolled_back", "version 2 was rolled back")
	}
	raise("d-1", "rolled_back", "version 3 was rolled back")
	page := body(t, w.send(http.MethodGet, "/alerts/kinds", nil, w.signed))
	for _, want := range []string{"<strong>130</strong>", "rolled back: version 2", "130 × version 2 was rolled back", "and 4 more", "Archive 130", "version 3 was rolled back", "Archive 1<"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	answer := w.post("/alerts", url.Values{"act": {"archive-kind"}, "name": {"rolled_back"}, "about": {"2"}, "type": {"0"}})
	if got := answer.Header.Get("Location"); got != "/alerts/kinds" {
		t.Errorf("got %d to %q", answer.StatusCode, got)
	}
	left, _, err := w.registry.Alerts(t.Context(), owner, fleet.AlertQuery{Team: 1, Limit: 100})
	if err != nil || len(left) != 1 || left[0].Text != "version 3 was rolled back" {
		t.Errorf("%d alerts are left, error %v; want the one of another kind", len(left), err)
	}
}
