package rest_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
)

// Stopped and failed updates are resumed and tried again together; the others are left alone.
func TestManyUpdatesAreRetriedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must[api.Firmware](t)(w.Release(t.Context(), "lamp", api.Release{Version: api.Version{Version: version("7")}}))
	since := must[*fleet.Catalog](t)(w.store.Catalogs.Catalog(t.Context(), w.product)).Revision
	stuck := func(id fleet.DeviceID, state fleet.UpdateState, a fleet.Attempts) {
		w.edit(id, func(d *fleet.Device) {
			a.Target, a.Since = version("7"), since
			d.Update, d.Attempts = fleet.Update{To: version("7"), State: state}, a
		})
	}
	stuck("lamp-7", fleet.Stopped, fleet.Attempts{Held: true})
	stuck("lamp-8", fleet.Failed, fleet.Attempts{Spent: 3})
	stuck("lamp-9", fleet.RolledBack, fleet.Attempts{Spent: 1})
	left := func() (ids []string) {
		for _, id := range []fleet.DeviceID{"lamp-7", "lamp-8", "lamp-9"} {
			if d := w.device(id); d.Attempts.Held || d.Attempts.Spent > 0 {
				ids = append(ids, string(id))
			}
		}
		return ids
	}
	retry := api.RetryUpdates{States: []string{"stopped", "failed"}, Version: api.Version{Version: version("7")}}
	if got := must[api.RetriedUpdates](t)(w.PreviewRetries(t.Context(), "lamp", retry)); got != (api.RetriedUpdates{Devices: 2}) || len(left()) != 3 {
		t.Errorf("a preview: got %+v, and left %v", got, left())
	}
	other := retry
	other.Version = api.Version{Version: version("1.4.0-rc.1")}
	if got := must[api.RetriedUpdates](t)(w.RetryUpdates(t.Context(), "lamp", other)); got.Devices != 0 || len(left()) != 3 {
		t.Errorf("another version: got %+v, and left %v", got, left())
	}
	if got := must[api.RetriedUpdates](t)(w.RetryUpdates(t.Context(), "lamp", retry)); got != (api.RetriedUpdates{Devices: 2}) || !slices.Equal(left(), []string{"lamp-9"}) {
		t.Errorf("got %+v, and left %v, want lamp-9", got, left())
	}
	if got := must[api.RetriedUpdates](t)(w.RetryUpdates(t.Context(), "lamp", retry)); got.Devices != 0 {
		t.Errorf("again: got %+v, want that nothing is left to do", got)
	}
	log := must[api.Page[api.AuditEntry]](t)(w.Audit(t.Context(), api.AuditFilter{Action: "update.retry"}))
	if len(log.Items) != 2 {
		t.Errorf("got %d entries in the audit log, want one per device", len(log.Items))
	}
	for body, says := range map[string]string{
		`{}`:                          "which updates?",
		`{"states":[]}`:               "which updates?",
		`{"states":["confirmed"]}`:    "stopped, failed or rolled_back",
		`{"states":["failed"],"x":1}`: "x",
	} {
		if status, answer := w.do(http.MethodPost, "/v1/products/lamp/updates/retry", "application/json", body); status != http.StatusUnprocessableEntity || !strings.Contains(answer, says) {
			t.Errorf("%s: got %d %s, want 422 and %q", body, status, answer, says)
		}
	}
}

// What an actor does not see is not counted, and not retried.
func TestWhatIsLeftIsWhatTheActorSees(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must[api.Firmware](t)(w.Release(t.Context(), "lamp", api.Release{Version: api.Version{Version: version("7")}}))
	since := must[*fleet.Catalog](t)(w.store.Catalogs.Catalog(t.Context(), w.product)).Revision
	for _, id := range []fleet.DeviceID{"lamp-7", "lamp-9"} { // lamp-9 is in a group that the editor does not hold
		w.edit(id, func(d *fleet.Device) {
			d.UpdatesOn, d.Update = true, fleet.Update{To: version("7"), State: fleet.Stopped}
			d.Attempts = fleet.Attempts{Target: version("7"), Since: since, Held: true}
		})
	}
	owner := must[api.Remaining](t)(w.Remaining(t.Context(), "lamp", api.RemainingFilter{Version: "7"}))
	if owner.Total != 3 || owner.Causes[0].Cause != "held" || !slices.Equal(owner.Causes[0].Devices, []string{"lamp-7", "lamp-9"}) {
		t.Errorf("the owner: got %+v", owner)
	}
	// The list that an answer names is the list of the devices it counts.
	for _, c := range owner.Causes {
		var page api.Page[api.RemainingDevice]
		w.read(c.List, &page)
		if len(page.Items) != c.Total {
			t.Errorf("%s: got %d devices, want %d", c.List, len(page.Items), c.Total)
		}
	}
	token, _ := w.join("eddie@example.com", fleet.Editor, "beta")
	editor := client.New(w.server.URL, token)
	some := must[api.Remaining](t)(editor.Remaining(t.Context(), "lamp", api.RemainingFilter{}))
	if some.Total != 2 || slices.ContainsFunc(some.Causes, func(c api.RemainingCause) bool { return slices.Contains(c.Devices, "lamp-9") }) {
		t.Errorf("an editor: got %+v, want lamp-7 and lamp-8", some)
	}
	if got := must[api.RetriedUpdates](t)(editor.RetryUpdates(t.Context(), "lamp", api.RetryUpdates{States: []string{"stopped"}})); got.Devices != 1 || !w.device("lamp-9").Attempts.Held {
		t.Errorf("an editor retries: got %+v", got)
	}
	rest := must[api.Page[api.RemainingDevice]](t)(w.RemainingDevices(t.Context(), "lamp", api.RemainingFilter{Cause: "held"}))
	if len(rest.Items) != 1 || rest.Items[0].DeviceID != "lamp-9" || rest.Items[0].Target.String() != "7" || rest.Items[0].Text == "" {
		t.Errorf("after that: got %+v", rest)
	}
	if _, err := w.Remaining(t.Context(), "lamp", api.RemainingFilter{Release: 99}); !errors.Is(err, fleet.NotFound) {
		t.Errorf("no such release: got %v", err)
	}
	if status, answer := w.do(http.MethodGet, "/v1/products/lamp/remaining?release=x", "", ""); status != http.StatusUnprocessableEntity {
		t.Errorf("a release that is not a number: got %d %s", status, answer)
	}
}
