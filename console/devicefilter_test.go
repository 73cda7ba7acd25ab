package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Filters combine, and each has a chip that takes it away.
func TestFiltersOfDevicesCombine(t *testing.T) {
	w := withDevices(t)
	two := fleet.WholeVersion(2)
	w.setDevice("d-1", func(d *fleet.Device) {
		d.Running, d.UpdatesOn, d.LastHandshake = fleet.WholeVersion(1), true, time.Now().AddDate(0, 0, -9)
		d.Update = fleet.Update{State: fleet.Failed, To: two, Reason: wire.ReasonStorage}
	})
	w.setDevice("d-2", func(d *fleet.Device) {
		d.Kind, d.Running, d.UpdatesOn, d.LastHandshake = fleet.Gateway, fleet.WholeVersion(1), true, time.Now().AddDate(0, 0, -3)
		d.Update = fleet.Update{State: fleet.RolledBack, To: two, Reason: wire.ReasonRolledBack}
	})
	must[fleet.Alert](t)(w.store.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: "d-2", Name: "digest_differs", Text: "version 1", Raised: time.Now()}))
	for query, want := range map[string]string{
		"silent=2": "d-1 d-2", "silent=7": "d-1", "silent=30": "", "silent=7&kind=Gateway": "", "kind=Gateway": "d-2", "kind=Generic": "d-1",
		"reason=6": "d-1", "reason=6&silent=7": "d-1", "reason=9&silent=7": "", "update=wrong&reason=9": "d-2", "concern=failed&reason=6": "d-1",
		"alert=digest_differs": "d-2", "alert=digest_differs&silent=7": "", "alert=none_such": "",
	} {
		page := body(t, w.send(http.MethodGet, "/p/lamp/devices?"+query, nil, w.signed))
		var listed []string
		for _, id := range []string{"d-1", "d-2"} {
			if strings.Contains(page, `value="`+id+`"`) {
				listed = append(listed, id)
			}
		}
		if got := strings.Join(listed, " "); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
		if chips := strings.Count(page, "Without the filter:"); chips != strings.Count(query, "&")+1 {
			t.Errorf("%s: %d chips", query, chips)
		}
	}
	for _, query := range []string{"silent=long", "kind=toaster", "reason=x", "release=9&part=waiting", "release=x"} {
		if answer := w.send(http.MethodGet, "/p/lamp/devices?"+query, nil, w.signed); answer.StatusCode != http.StatusUnprocessableEntity && answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d", query, answer.StatusCode)
		}
	}
	page := body(t, w.send(http.MethodGet, "/p/lamp/devices?col=reason&col=kind&col=heard", nil, w.signed))
	for _, want := range []string{"<th>Kind</th><th>Last heard</th><th>Reason</th>", "storage error"} {
		if !strings.Contains(page, want) {
			t.Errorf("the list lacks %q:\n%s", want, page)
		}
	}
	page = body(t, w.send(http.MethodGet, "/p/lamp/attention", nil, w.signed))
	for _, want := range []string{"1 device: silent for 7 days or more", "1 device: report a version with other bytes"} {
		if !strings.Contains(page, want) {
			t.Errorf("the start page lacks %q:\n%s", want, page)
		}
	}
}

// A halted release, and many failures, are shown above every page.
func TestWhatWentWrongIsShownOnEveryPage(t *testing.T) {
	w := withDevices(t)
	w.beginRelease(1, fleet.CarefulPlan())
	if page := body(t, w.send(http.MethodGet, "/p/lamp/groups", nil, w.signed)); strings.Contains(page, `class="alarm bad"`) {
		t.Errorf("there is an alarm without a reason:\n%s", page)
	}
	must[fleet.ReleaseView](t)(w.rollouts.Act(t.Context(), owner, 1, 1, fleet.HaltRelease))
	must[fleet.Imported](t)(w.registry.Import(t.Context(), owner, fleet.Import{Product: 1, Devices: fleet.NewDevices("d-3"), Groups: []string{"beta"}}))
	for _, id := range []fleet.DeviceID{"d-1", "d-2", "d-3"} {
		w.setDevice(id, func(d *fleet.Device) {
			d.Running, d.UpdatesOn = fleet.WholeVersion(1), true
			d.Update = fleet.Update{State: fleet.Failed, To: fleet.WholeVersion(2), Reason: wire.ReasonStorage}
		})
	}
	must[fleet.Alert](t)(w.store.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: "d-2", Text: "hot", Raised: time.Now()}))
	for _, path := range []string{"/p/lamp/groups", "/team", "/p/lamp/alarms"} {
		page := body(t, w.send(http.MethodGet, path, nil, w.signed))
		for _, want := range []string{"Release 1 of version 1 is halted</a>: halted by " + ownerEmail, "3 devices failed to update</a>", `id="alert-badge" hx-swap-oob="true">1<`} {
			if !strings.Contains(page, want) {
				t.Errorf("%s lacks %q:\n%s", path, want, page)
			}
		}
	}
}

// A filter of the devices of all products is the team's as well, and asks nothing about targets.
func TestAFilterOfAllProductsIsSaved(t *testing.T) {
	w := withDevices(t)
	answer := w.post("/filters", url.Values{"name": {"gone"}, "online": {"no"}})
	if to := answer.Header.Get("Location"); to != "/devices?online=no" {
		t.Fatalf("got %d, to %q", answer.StatusCode, to)
	}
	page := body(t, w.send(http.MethodGet, "/devices", nil, w.signed))
	if !strings.Contains(page, `<a href="/devices?online=no">gone</a>`) || strings.Contains(page, `name="concern"`) {
		t.Errorf("the list of all products:\n%s", page)
	}
	if page := body(t, w.send(http.MethodGet, "/p/lamp/devices", nil, w.signed)); strings.Contains(page, "gone") || !strings.Contains(page, `name="concern"`) {
		t.Errorf("the list of one product:\n%s", page)
	}
	moved := w.send(http.MethodGet, "/p/lamp/devices?product=*&concern=exhausted&online=no", nil, w.signed)
	if to := moved.Header.Get("Location"); to != "/devices?online=no" {
		t.Errorf("to all products: %d, %q", moved.StatusCode, to)
	}
	if answer := w.post("/filters/delete", url.Values{"name": {"gone"}}); answer.Header.Get("Location") != "/devices" {
		t.Errorf("deleted: %d", answer.StatusCode)
	}
}
