package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// After a stop there is a way on: for all that a filter selects, and for a selection.
func TestStoppedAndFailedUpdatesAreRetriedTogether(t *testing.T) {
	w := withDevices(t)
	two, since := fleet.WholeVersion(2), must[*fleet.Catalog](t)(w.store.Catalogs.Catalog(t.Context(), 1)).Revision
	reset := func() {
		w.setDevice("d-1", func(d *fleet.Device) {
			d.Running, d.UpdatesOn = fleet.WholeVersion(1), true
			d.Update = fleet.Update{State: fleet.Stopped, To: two}
			d.Attempts = fleet.Attempts{Target: two, Since: since, Held: true}
		})
		w.setDevice("d-2", func(d *fleet.Device) {
			d.Running, d.UpdatesOn = fleet.WholeVersion(1), true
			d.Update = fleet.Update{State: fleet.Failed, To: two}
			d.Attempts = fleet.Attempts{Target: two, Since: since, Spent: 3}
		})
	}
	for _, row := range []struct{ query, title, held string }{
		{"all=yes", "the updates of 2 devices?", "1 device held"},
		{"all=yes&update=wrong&to=2", "the updates of 2 devices?", "1 device held"},
		{"all=yes&concern=held", "the updates of 1 device?", "1 device held"},
		{"all=yes&concern=exhausted", "the updates of 1 device?", "0 devices held"},
		{"device=d-2", "the updates of 1 device?", "0 devices held"},
		{"device=d-1&device=d-2", "the updates of 2 devices?", "1 device held"},
		{"all=yes&q=nothing", "the updates of 0 devices?", "None of these devices"},
	} {
		reset()
		page := body(t, w.send(http.MethodGet, "/p/lamp/retry?"+row.query, nil, w.signed))
		if !strings.Contains(page, row.title) || !strings.Contains(page, row.held) {
			t.Errorf("%s: the page lacks %q or %q:\n%s", row.query, row.title, row.held, page)
		}
		form, _ := url.ParseQuery(row.query)
		form.Set("act", "retry")
		answer := w.post("/p/lamp/devices/change", form)
		if answer.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: got %d", row.query, answer.StatusCode)
		}
		if strings.HasPrefix(answer.Header.Get("Location"), "/jobs/") {
			w.finish()
		}
		left := 0
		for _, id := range []fleet.DeviceID{"d-1", "d-2"} {
			d := must[fleet.Device](t)(w.store.Devices.Device(t.Context(), id.In(1)))
			if d.Attempts.Held || d.Attempts.Spent > 0 {
				left++
			}
		}
		want := map[string]int{"of 2 devices?": 0, "f 1 device?": 1, "of 0 devices?": 2}
		for suffix, n := range want {
			if strings.HasSuffix(row.title, suffix) && left != n {
				t.Errorf("%s: %d devices are not retried, want %d", row.query, left, n)
			}
		}
	}
}
