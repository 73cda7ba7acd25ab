package console

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// inTeams makes n more teams, each with a product lamp and a device with that id.
func (w *world) inTeams(n int, id string) {
	w.t.Helper()
	for range n {
		team := must[fleet.Team](w.t)(w.accounts.CreateTeam(w.t.Context(), owner, "Other"))
		actor := fleet.Actor{User: 1, Team: team.ID, Email: ownerEmail, Role: fleet.Owner}
		p := must[fleet.Product](w.t)(w.registry.CreateProduct(w.t.Context(), actor, fleet.Product{Team: team.ID, Name: "Lamp", Slug: "lamp"}))
		must[fleet.Imported](w.t)(w.registry.Import(w.t.Context(), actor, fleet.Import{Product: p.ID, Devices: fleet.NewDevices(id)}))
	}
}

// TestTheFifthTeamWithAnIDSeesTheUserName in the outcome of the import, in its file and on the page of
// the device (docs/protocol.md, "Credentials").
func TestTheFifthTeamWithAnIDSeesTheUserName(t *testing.T) {
	w := withLamp(t)
	w.inTeams(4, "lamp-1")
	address, _ := w.preview(url.Values{"ids": {"lamp-1\nlamp-2"}})
	page := w.imports(address)
	for _, want := range []string{"2 devices imported", "Their user names", "<td><code>lamp-1@1</code></td>", "-u lamp-1@1 "} {
		if !strings.Contains(page, want) {
			t.Errorf("the outcome lacks %q:\n%s", want, page)
		}
	}
	_, rest, _ := strings.Cut(page, "data:text/csv;base64,")
	text, _, _ := strings.Cut(rest, `"`)
	file := must[[]byte](t)(base64.StdEncoding.DecodeString(text))
	if !regexp.MustCompile(`^device,secret,version,user_name\nlamp-1,[\w-]{43},,lamp-1@1\nlamp-2,[\w-]{43},,\n$`).Match(file) {
		t.Errorf("the file is %q", file)
	}
	for id, want := range map[string]bool{"lamp-1": true, "lamp-2": false} {
		page := body(t, w.send(http.MethodGet, "/p/lamp/device/"+id, nil, w.signed))
		if got := strings.Contains(page, "<dt>User name</dt><dd><code>lamp-1@1</code>"); got != want || !want && strings.Contains(page, "@1") {
			t.Errorf("%s: the page shows a user name: %t, want %t", id, got, want)
		}
	}
}

// TestAPageOfAnotherTeamsDeviceIsAsOfNone: a GET answers the same for both.
func TestAPageOfAnotherTeamsDeviceIsAsOfNone(t *testing.T) {
	t.Parallel()
	w := withDevices(t)
	w.inTeams(1, "taken-1")
	asked := 0
	for _, pattern := range Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		if method != http.MethodGet || !strings.Contains(path, "{id}") {
			continue
		}
		path = strings.ReplaceAll(path, "{product}", "lamp") + "?act=disable"
		answers := [2]string{}
		for i, id := range []string{"taken-1", "taken-2"} {
			answer := w.send(http.MethodGet, strings.ReplaceAll(path, "{id}", id), nil, w.signed)
			answers[i] = fmt.Sprint(answer.StatusCode, strings.ReplaceAll(body(t, answer), id, "ID"))
			if answer.StatusCode != http.StatusNotFound {
				t.Errorf("%s of %s: got %d", path, id, answer.StatusCode)
			}
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: got %s for another team's, %s for none", path, answers[0], answers[1])
		}
		asked++
	}
	for _, path := range []string{"/p/lamp/devices?q=%s", "/messages?device=%s", "/alerts?device=%s"} {
		if page := body(t, w.send(http.MethodGet, fmt.Sprintf(path, "taken-1"), nil, w.signed)); strings.Contains(page, "/device/taken-1") {
			t.Errorf("%s shows it:\n%s", path, page)
		}
	}
	if asked < 5 {
		t.Errorf("%d pages were compared", asked)
	}
	for _, id := range []string{"2/taken-1", "1/d-1", "x/d-1"} { // what a DeviceID has inside names nothing
		if answer := w.send(http.MethodGet, "/p/lamp/device/"+url.PathEscape(id), nil, w.signed); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d", id, answer.StatusCode)
		}
	}
	address, page := w.preview(url.Values{"ids": {"taken-1"}})
	if !strings.Contains(page, "Import 1 device?") || strings.Contains(page, "another product") {
		t.Errorf("the preview:\n%s", page)
	}
	if page := w.imports(address); !strings.Contains(page, "1 device imported") || strings.Contains(page, "user name") {
		t.Errorf("the outcome:\n%s", page)
	}
}

// TestNoPageHasTheTeamInADeviceID reads every page of a team with devices, messages and alerts
// (docs/adr/0040).
func TestNoPageHasTheTeamInADeviceID(t *testing.T) {
	w := withDevices(t)
	w.setDevice("d-1", func(d *fleet.Device) {
		d.Kind, d.Running = fleet.Gateway, fleet.WholeVersion(1)
		d.Update = fleet.Update{State: fleet.Failed, From: d.Running, To: fleet.WholeVersion(2), Size: 4096}
		d.Attempts = fleet.Attempts{Target: fleet.WholeVersion(2), Spent: 3}
	})
	w.setDevice("d-2", func(d *fleet.Device) { d.Kind, d.Gateway = fleet.BLE, "1/d-1" })
	must[string](t)(w.store.Messages.Append(t.Context(), fleet.Message{Team: 1, Device: "1/d-1", Topic: "d/d-1/up/msg", Payload: []byte("1"), Received: time.Now()}))
	must[fleet.Alert](t)(w.store.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: "1/d-1", Text: "hot"}))
	release := w.beginRelease(2, fleet.CarefulPlan())
	inner := regexp.MustCompile(`[^0-9A-Za-z.]1(/|%2F|%2f|&#47;)d-[12]`)
	with := 0
	for _, pattern := range Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		if method != http.MethodGet || strings.HasSuffix(path, "/stream") || path == "/live" {
			continue
		}
		for _, id := range []string{"d-1", "d-2"} {
			target := strings.NewReplacer("{$}", "", "{product}", "lamp", "{id}", id, "{version}", "2", "{release}", fmt.Sprint(release), "{job}", "none").Replace(path)
			query := url.Values{"device": {id}, "act": {"disable"}, "name": {"beta"}, "version": {"2"}}
			text := []byte(body(t, w.send(http.MethodGet, target+"?"+query.Encode(), nil, w.signed)))
			if at := inner.FindIndex(text); at != nil {
				t.Errorf("%s: %.200s", target, text[max(0, at[0]-80):])
			}
			if bytes.Contains(text, []byte("d-1")) || bytes.Contains(text, []byte("d-2")) {
				with++
			}
		}
	}
	if with < 30 {
		t.Errorf("%d pages have a device id: the test looks at too little", with)
	}
}
