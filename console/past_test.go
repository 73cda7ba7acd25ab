package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// TestAViewerSeesTheChartsOfTheirGroups, and neither those of others nor those of the fleet.
func TestAViewerSeesTheChartsOfTheirGroups(t *testing.T) {
	w := withLamp(t)
	for group, ids := range map[string][]string{"kitchen": {"k-1", "k-2"}, "hall": {"h-1"}} {
		must[fleet.Imported](t)(w.registry.Import(t.Context(), owner, fleet.Import{Product: 1, Groups: []string{group}, Devices: fleet.NewDevices(ids...)}))
	}
	must[fleet.Member](t)(w.accounts.AddUser(t.Context(), owner, "viewer@example.com", ownerPassword, fleet.Viewer, []string{"kitchen"}))
	secret, _, err := w.accounts.SignIn(t.Context(), fleet.SignIn{Email: "viewer@example.com", Password: ownerPassword})
	if err != nil {
		t.Fatal(err)
	}
	viewer := func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: secret}) }
	for path, want := range map[string]int{
		"/p/lamp/group/history?name=kitchen": 200, "/p/lamp/group/history?name=hall": 404, "/p/lamp/fleet/history": 403, "/p/lamp/group?name=hall": 404,
	} {
		if got := w.send(http.MethodGet, path, nil, viewer).StatusCode; got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	var data chartData
	if err := json.NewDecoder(w.send(http.MethodGet, "/p/lamp/group/history?name=kitchen", nil, viewer).Body).Decode(&data); err != nil {
		t.Fatal(err)
	}
	versions := data.Charts["versions"].Lines
	if len(versions) != 1 || versions[0].Values[len(versions[0].Values)-1] != 2 {
		t.Errorf("got lines %+v, want the two devices of the group", versions)
	}
	page := body(t, w.send(http.MethodGet, "/p/lamp/fleet?range=24h", nil, viewer))
	if !strings.Contains(page, `href="/p/lamp/group?range=24h&amp;name=kitchen#charts"`) || strings.Contains(page, "hall") || strings.Contains(page, `data-chart="`) {
		t.Errorf("the page of the fleet does not lead to the group's charts alone:\n%s", page)
	}
	page = body(t, w.send(http.MethodGet, "/p/lamp/group?range=24h&name=kitchen", nil, viewer))
	for _, want := range []string{`data-chart="/p/lamp/group/history?name=kitchen&amp;range=24h"`, `href="/p/lamp/group?name=kitchen&amp;range=30d"`, "/static/charts.js"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the group lacks %s:\n%s", want, page)
		}
	}
}
