package console

import (
	"bytes"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/job"
	"github.com/muster-iot/muster/store/spool"
)

// withDevices returns a world with the product lamp, versions 1 and 2, the group beta, which has
// version 2, and the devices d-1 and d-2 in it.
func withDevices(t testing.TB) *world {
	t.Helper()
	w := withLamp(t)
	must[fleet.GroupView](t)(w.registry.CreateGroup(t.Context(), owner, fleet.Group{Team: 1, Product: 1, Name: "beta"}))
	must[fleet.Imported](t)(w.registry.Import(t.Context(), owner, fleet.Import{Product: 1, Devices: fleet.NewDevices("d-1", "d-2"), Groups: []string{"beta"}}))
	for n := range uint32(2) {
		f := fleet.Firmware{Product: 1, Version: fleet.WholeVersion(n + 1)}
		must[fleet.Firmware](t)(w.releases.Upload(t.Context(), owner, f, bytes.NewReader([]byte("image"+string(rune('1'+n))))))
	}
	beta := must[fleet.GroupView](t)(w.registry.Group(t.Context(), owner, 1, "beta"))
	must[fleet.FirmwareView](t)(w.releases.Release(t.Context(), owner, 1, fleet.ReleaseOrder{Version: fleet.WholeVersion(2), Groups: &[]fleet.GroupID{beta.ID}}))
	return w
}

// beginRelease releases a version as product default, by a plan.
func (w *world) beginRelease(version uint32, p fleet.ReleasePlan) fleet.ReleaseID {
	w.t.Helper()
	f := must[fleet.FirmwareView](w.t)(w.releases.Release(w.t.Context(), owner, 1, fleet.ReleaseOrder{Version: fleet.WholeVersion(version), Default: new(true), Plan: &p}))
	return f.Staged.ID
}

// setDevice changes the record of a device.
func (w *world) setDevice(id fleet.DeviceID, change func(*fleet.Device)) {
	w.t.Helper()
	must[fleet.Device](w.t)(w.store.Devices.Edit(w.t.Context(), id.In(1), func(d *fleet.Device) error {
		change(d)
		return nil
	}))
}

// posts are a valid form for each POST that ofMembers and ofProducts have.
var posts = map[string]url.Values{
	"POST /account/password":                       {"current_password": {ownerPassword}, "password": {"another long one"}, "again": {"another long one"}},
	"POST /sign-out":                               {},
	"POST /products":                               {"name": {"Lock"}},
	"POST /alerts":                                 {"id": {"1"}, "act": {"archive"}},
	"POST /team/members":                           {"email": {"new@example.com"}, "role": {"editor"}},
	"POST /team/member":                            {"email": {"eve@example.com"}, "role": {"editor"}},
	"POST /team/tokens":                            {"label": {"laptop"}, "days": {"30"}},
	"POST /team/tokens/revoke":                     {"id": {"TOKEN"}},
	"POST /team/switch":                            {"team": {"2"}},
	"POST /team/programs":                          {"name": {"ci"}, "role": {"editor"}, "days": {"30"}},
	"POST /team/notifications":                     {"act": {"add"}, "kind": {"webhook"}, "name": {"on call"}, "url": {"https://example.com/"}, "topic": {"halts"}},
	"POST /team/settings":                          {"act": {"rename"}, "name": {"Acme 2"}},
	"POST /p/{product}/devices/groups":             {"device": {"d-1"}, "g:beta": {"remove"}},
	"POST /p/{product}/devices/import":             {"ids": {"d-3"}},
	"POST /p/{product}/devices/import/run":         {"plan": {"PLAN"}},
	"POST /p/{product}/device/{id}":                {"act": {"rotate"}},
	"POST /p/{product}/groups":                     {"name": {"gamma"}},
	"POST /p/{product}/group":                      {"name": {"beta"}, "description": {"early"}, "color": {"#2f6fde"}},
	"POST /p/{product}/settings":                   {"name": {"Lamp"}, "slug": {"lamp"}, "roaming": {"groups"}, "auto_register": {"0"}},
	"POST /p/{product}/firmware/{version}":         {"title": {"first"}},
	"POST /p/{product}/firmware/{version}/release": {"group": {"beta"}},
	"POST /p/{product}/stop":                       {},
	"POST /p/{product}/devices/change":             {"act": {"unlock"}, "device": {"d-1"}},
	"POST /filters":                                {"name": {"offline"}, "online": {"no"}},
	"POST /filters/delete":                         {"name": {"hall"}},
	"POST /p/{product}/filters":                    {"name": {"offline"}, "online": {"no"}},
	"POST /p/{product}/filters/delete":             {"name": {"silent"}},
	"POST /jobs/{job}/cancel":                      {},
	"POST /p/{product}/releases/{release}":         {"act": {"pause"}},
	"POST /p/{product}/upload":                     nil, // multipart
}

// notPosted are left out: an owner can't leave their team.
var notPosted = map[string]bool{"POST /account/leave": true}

// A page that a form answers with would repeat the action when it is loaded again.
func TestEveryPostAnswersWithARedirect(t *testing.T) {
	patterns := append(slices.Collect(maps.Keys(ofMembers)), slices.Collect(maps.Keys(ofProducts))...)
	patterns = append(patterns, "POST /p/{product}/upload", "POST /p/{product}/devices/import")
	for _, pattern := range patterns {
		path, isPost := strings.CutPrefix(pattern, "POST ")
		if !isPost || notPosted[pattern] {
			continue
		}
		form, known := posts[pattern]
		if !known {
			t.Errorf("%s has no form in posts", pattern)
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w := withDevices(t)
			must[fleet.Member](t)(w.accounts.AddUser(t.Context(), owner, "eve@example.com", ownerPassword, fleet.Viewer, nil))
			must[fleet.Team](t)(w.accounts.CreateTeam(t.Context(), owner, "Second"))
			_, token, err := w.accounts.NewToken(t.Context(), owner, "old", 0)
			if err != nil {
				t.Fatal(err)
			}
			must[job.Job](t)(w.jobs.Start(t.Context(), owner, job.Order{Product: 1, Action: job.Unlock, Devices: []fleet.DeviceID{"d-1"}}))
			must[filter.Saved](t)(w.filters.Save(t.Context(), owner, 1, "silent", filter.Fields{Silent: "7"}))
			must[filter.Saved](t)(w.filters.Save(t.Context(), owner, 0, "hall", filter.Fields{Search: "hall"}))
			alert := must[fleet.Alert](t)(w.store.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: "d-1", Text: "hot"}))
			form := maps.Clone(form)
			if form.Get("id") == "TOKEN" {
				form.Set("id", token.ID)
			}
			if form.Get(plan) != "" {
				address, _ := w.preview(url.Values{"ids": {"d-4"}})
				_, key, _ := strings.Cut(address, plan+"=")
				form.Set(plan, key)
			}
			if path == "/alerts" {
				form.Set("id", alert.ID)
			}
			if strings.Contains(path, "{release}") {
				w.beginRelease(1, fleet.CarefulPlan())
			}
			target := strings.NewReplacer("{product}", "lamp", "{id}", "d-1", "{version}", "1", "{release}", "1", "{job}", "1").Replace(path)
			if path == "/p/{product}/group" {
				target += "?name=beta"
			}
			answer := w.post(target, form)
			if answer.StatusCode != http.StatusSeeOther {
				t.Fatalf("got %d, want 303:\n%s", answer.StatusCode, body(t, answer))
			}
			followed := w.send(http.MethodGet, answer.Header.Get("Location"), nil, w.signed)
			if path == "/team/switch" || path == "/sign-out" {
				return // another session
			}
			if followed.StatusCode >= 400 {
				t.Errorf("the redirect to %s answers %d", answer.Header.Get("Location"), followed.StatusCode)
			}
		})
	}
}

// post sends a form of the owner's session, as multipart if form is nil.
func (w *world) post(target string, form url.Values) *http.Response {
	w.t.Helper()
	if form != nil {
		return w.send(http.MethodPost, target, form, w.signed)
	}
	var data bytes.Buffer
	parts := multipart.NewWriter(&data)
	_ = parts.WriteField("version", "3")
	file := must[io.Writer](w.t)(parts.CreateFormFile("file", "lamp.bin"))
	_, _ = file.Write([]byte("image3"))
	_ = parts.Close()
	return w.send(http.MethodPost, target, nil, w.signed, header("Content-Type", parts.FormDataContentType()), withBody(&data))
}

func TestSecretsSurviveTheRedirectAndNoReload(t *testing.T) {
	for name, c := range map[string]struct {
		target string
		form   url.Values
		marker string // what the page shows around the secret
	}{
		"a device's":  {"/p/lamp/device/d-1", url.Values{"act": {"rotate"}}, "New secret"},
		"a token":     {"/team/tokens", url.Values{"label": {"laptop"}, "days": {"30"}}, "Your new token"},
		"a program's": {"/team/programs", url.Values{"name": {"ci"}, "role": {"editor"}, "days": {"30"}}, "The new token of ci"},
		"a link":      {"/team/members", url.Values{"email": {"new@example.com"}, "role": {"editor"}}, "Send this link to new@example.com"},
		"an import's": {"/p/lamp/devices/import/run", url.Values{plan: {"PLAN"}}, "Download CSV"},
	} {
		t.Run(name, func(t *testing.T) {
			w := withDevices(t)
			if c.form.Get(plan) != "" {
				address, _ := w.preview(url.Values{"ids": {"d-9"}})
				_, key, _ := strings.Cut(address, plan+"=")
				c.form.Set(plan, key)
			}
			location := w.post(c.target, c.form).Header.Get("Location")
			if text := body(t, w.send(http.MethodGet, location, nil, w.signed)); !strings.Contains(text, c.marker) || !strings.Contains(text, "hown only once") {
				t.Errorf("the page after it lacks %q:\n%s", c.marker, text)
			}
			again := w.send(http.MethodGet, location, nil, w.signed)
			if text := body(t, again); strings.Contains(text, c.marker) || again.StatusCode >= 400 {
				t.Errorf("loaded again it answers %d and shows the secret again:\n%s", again.StatusCode, text)
			}
		})
	}
}

// What starts or ends an update, or cuts a device off, is a link to a page that asks.
func TestEveryActionOnADeviceAsksFirst(t *testing.T) {
	w := withDevices(t)
	two := fleet.WholeVersion(2)
	w.setDevice("d-1", func(d *fleet.Device) {
		d.Running, d.Lock = fleet.WholeVersion(1), fleet.WholeVersion(1)
		d.Update = fleet.Update{State: fleet.Downloading, From: d.Running, To: two, Size: 4096, Next: 1024}
		d.Attempts = fleet.Attempts{Target: two, Spent: 2}
	})
	w.setDevice("d-2", func(d *fleet.Device) { d.Running, d.Development, d.Disabled = fleet.WholeVersion(1), true, true })
	for act, c := range map[string]struct{ id, want string }{
		"unlock":         {"d-1", "It is no longer locked to version 1"},
		"development":    {"d-1", "no longer updated automatically"},
		"no-development": {"d-2", "Releases apply to it again"},
		"force":          {"d-1", "although it declines them"},
		"no-force":       {"d-1", "only while it accepts them"},
		"disable":        {"d-1", "Yes, cut it off"},
		"enable":         {"d-2", "It can connect again."},
		"rotate":         {"d-1", "Yes, revoke the current secret"},
		"delete":         {"d-1", "Yes, delete it for good"},
		"stop":           {"d-1", "Its update from version 1 to 2 ends: downloading, 1.0 KiB of 4.0 KiB received."},
		"retry":          {"d-1", "2 attempts to update to version 2 are reset"},
	} {
		page := body(t, w.send(http.MethodGet, "/p/lamp/device/"+c.id+"/confirm?act="+act, nil, w.signed))
		if !strings.Contains(page, c.want) || !strings.Contains(page, `name="act" value="`+act+`"`) {
			t.Errorf("%s: the page does not ask, or lacks %q:\n%s", act, c.want, page)
		}
	}
	for _, id := range []string{"d-1", "d-2"} {
		page := body(t, w.send(http.MethodGet, "/p/lamp/device/"+id, nil, w.signed))
		for rest := page; ; {
			_, after, found := strings.Cut(rest, `name="act" value="`)
			if !found {
				break
			}
			act, _, _ := strings.Cut(after, `"`)
			if !slices.Contains([]string{"describe", "groups", "command", "lock", "flash"}, act) {
				t.Errorf("the page of %s does %q at one click", id, act)
			}
			rest = after
		}
	}
	if page := body(t, w.send(http.MethodGet, "/p/lamp/device/d-1/confirm?act=explode", nil, w.signed)); !strings.Contains(page, "Unknown action") {
		t.Errorf("an unknown action: %s", page)
	}
}

// What the page showed must be what happens: another operator's change in between is a conflict.
func TestAnAnswerIsAboutWhatWasAsked(t *testing.T) {
	w := withDevices(t)
	page := body(t, w.send(http.MethodGet, "/p/lamp/device/d-1/confirm?act=development", nil, w.signed))
	_, after, _ := strings.Cut(page, `name="seen" value="`)
	seen, _, _ := strings.Cut(after, `"`)
	if seen == "" {
		t.Fatalf("the page carries no tag:\n%s", page)
	}
	w.setDevice("d-1", func(d *fleet.Device) { d.Lock = fleet.WholeVersion(1) })
	answer := w.post("/p/lamp/device/d-1", url.Values{"act": {"development"}, "seen": {seen}})
	if answer.StatusCode != http.StatusConflict {
		t.Errorf("got %d, want 409", answer.StatusCode)
	}
}

func TestStoppingManyShowsHowManyAndAsks(t *testing.T) {
	w := withDevices(t)
	w.setDevice("d-1", func(d *fleet.Device) {
		d.Update = fleet.Update{State: fleet.Downloading, To: fleet.WholeVersion(2), Size: 4096}
	})
	for target, want := range map[string]string{
		"/p/lamp/stop":           "Stop 1 update?",
		"/p/lamp/stop?version=2": "Stop 1 update to version 2?",
		"/p/lamp/stop?version=1": "No update that can be stopped is in progress now.",
	} {
		if page := body(t, w.send(http.MethodGet, target, nil, w.signed)); !strings.Contains(page, want) {
			t.Errorf("%s lacks %q:\n%s", target, want, page)
		}
	}
	answer := w.post("/p/lamp/stop", url.Values{"version": {"2"}})
	if got := answer.Header.Get("Location"); got != "/jobs/1" {
		t.Errorf("got a redirect to %q", got)
	}
	w.finish()
	if d := must[fleet.Device](t)(w.store.Devices.Device(t.Context(), "1/d-1")); d.Update.State != fleet.Stopped || !d.Attempts.Held {
		t.Errorf("got %s, held %t", d.Update.State, d.Attempts.Held)
	}
}

// Every form of a signed-in user is noted before it changes something, or refused (docs/adr/0019).
func TestNoFormChangesWhatCantBeNoted(t *testing.T) {
	w := withLamp(t)
	slots, left, err := spool.OpenSlots(filepath.Join(t.TempDir(), "begun"))
	if err != nil {
		t.Fatal(err)
	}
	_ = slots.Close() // nothing can be noted any more
	w.config.Audit.KeepBegun(slots, left)
	forms := 0
	for _, routes := range []map[string]func(*visit) error{ofMembers, ofProducts} {
		for pattern := range routes {
			path, isForm := strings.CutPrefix(pattern, "POST ")
			if !isForm {
				continue
			}
			forms++
			path = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(strings.Replace(path, "{product}", "lamp", 1), "1")
			if answer := w.post(path, nil); answer.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s: got %d, want 503", pattern, answer.StatusCode)
			}
		}
	}
	if forms < 20 {
		t.Errorf("only %d forms were tried", forms)
	}
}
