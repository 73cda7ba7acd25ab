//go:build browser

package cloud_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/console"
	"github.com/muster-iot/muster/fleet"
)

// examples are addresses of every page the console serves; a page without one fails the
// tests that walk them all.
var examples = map[string][]string{
	"GET /{$}":                                    {"/"},
	"GET /account":                                {"/account"},
	"GET /products":                               {"/products"},
	"GET /messages":                               {"/messages", "/messages?device=nobody"},
	"GET /alerts":                                 {"/alerts", "/alerts?archived=1"},
	"GET /events":                                 {"/events"},
	"GET /team":                                   {"/team"},
	"GET /team/programs":                          {"/team/programs"},
	"GET /team/tokens":                            {"/team/tokens"},
	"GET /team/audit":                             {"/team/audit", "/team/audit?q=no-such-thing", "/team/audit?action=group"},
	"GET /team/settings":                          {"/team/settings"},
	"GET /devices":                                {"/devices", "/devices?by=group"},
	"GET /devices/{id}":                           {"/devices/widget-0001"},
	"GET /p/{product}/devices":                    {"/p/lamp/devices", "/p/lamp/devices?by=version", "/p/lamp/devices?by=group", "/p/lamp/devices?q=nothing-like-it", "/p/lamp/devices?version=x.y", "/p/lamp/devices?group=beta&nogroup=yes&online=no&sort=-handshake"},
	"GET /p/{product}/devices/import":             {"/p/lamp/devices/import"},
	"GET /p/{product}/device/{id}":                {"/p/lamp/device/widget-0001", "/p/lamp/device/widget-0003"},
	"GET /p/{product}/device/{id}/confirm":        {"/p/lamp/device/widget-0003/confirm?act=flash&version=2", "/p/lamp/device/widget-0001/confirm?act=lock&version=1&flash=yes"},
	"GET /p/{product}/groups":                     {"/p/lamp/groups"},
	"GET /p/{product}/group":                      {"/p/lamp/group?name=beta"},
	"GET /p/{product}/settings":                   {"/p/lamp/settings"},
	"GET /p/{product}/firmware":                   {"/p/lamp/firmware"},
	"GET /p/{product}/firmware/{version}":         {"/p/lamp/firmware/1", "/p/lamp/firmware/2"},
	"GET /p/{product}/firmware/{version}/release": {"/p/lamp/firmware/1/release", "/p/lamp/firmware/2/release"},
	"GET /p/{product}/firmware/{version}/confirm": {"/p/lamp/firmware/2/confirm?group=beta&now=yes", "/p/lamp/firmware/2/confirm"},
	"GET /p/{product}/upload":                     {"/p/lamp/upload"},
	"GET /p/{product}/fleet":                      {"/p/lamp/fleet"},
}

// parts are addresses that answer with a part of a page or with data.
var parts = map[string][]string{
	"GET /group-names":                         {"/group-names", "/group-names?of=lamp&group=e"},
	"GET /p/{product}/device/{id}/live":        {"/p/lamp/device/widget-0001/live", "/p/lamp/device/widget-0003/live"},
	"GET /p/{product}/firmware/{version}/live": {"/p/lamp/firmware/1/live"},
	"GET /p/{product}/group/impact":            {"/p/lamp/group/impact?name=beta"},
	"GET /p/{product}/fleet/live":              {"/p/lamp/fleet/live"},
	"GET /p/{product}/fleet/history":           {"/p/lamp/fleet/history"},
}

// wordless are no pages: what is streamed has tests of its own, an image has no words.
var wordless = map[string]bool{"GET /events/stream": true, "GET /live": true, "GET /p/{product}/firmware/{version}/image": true}

// addresses are the examples of every page, and with all of every part; an address nobody
// thought of fails.
func addresses(t *testing.T, all bool) (paths []string) {
	t.Helper()
	for _, pattern := range console.Routes() {
		page, part := examples[pattern], parts[pattern]
		switch {
		case !strings.HasPrefix(pattern, "GET ") || wordless[pattern]:
		case page == nil && part == nil:
			t.Errorf("%s has no example: say in this file what it is", pattern)
		case page != nil || all:
			paths = append(paths, append(page, part...)...)
		}
	}
	return paths
}

// window is how a page is looked at.
type window struct {
	name  string
	width int
	dark  bool
}

var windows = []window{{"light-1280", 1280, false}, {"light-360", 360, false}, {"dark-1280", 1280, true}, {"dark-360", 360, true}}

// look sets the window's size and colours.
func (b *browser) look(w window) {
	b.Helper()
	b.phone(w.width < 800)
	scheme := "light"
	if w.dark {
		scheme = "dark"
	}
	b.prefers(scheme)
	if _, err := chromedp.Call(b.ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		b.Fatal(err)
	}
}

// faint are texts with less contrast than WCAG AA asks for: 4.5, or 3 of large ones.
const faint = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
	const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
	const behind = (e) => {
		const layers = [];
		for (let at = e; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); if (c[3] > 0) layers.push(c); if (c[3] === 1) break; }
		return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
	};
	const bright = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const found = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.textContent.trim() || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest("button:disabled, label.off, option, .sr, .skip, canvas")) continue;
		const style = getComputedStyle(e), back = behind(e), ink = over(rgba(style.color), back);
		const [x, y] = [bright(ink), bright(back)].sort((a, b) => b - a), ratio = (x + 0.05) / (y + 0.05);
		const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
		if (ratio < (large ? 3 : 4.5)) found.add(e.tagName + "." + e.className + " " + ratio.toFixed(2) + " " + walk.currentNode.textContent.trim().slice(0, 30));
	}
	return [...found];
})()`

// unlabelled are fields without a name a screen reader could say.
const unlabelled = `[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href], summary, progress, [role=img]")].filter(e =>
	!(e.labels && [...e.labels].some(l => l.textContent.trim())) && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby") && !e.textContent.trim()).map(e => e.outerHTML.slice(0, 90))`

// unseen are things one can move to by key without seeing that one is there.
const unseen = `[...document.querySelectorAll("main a[href], main button:not(:disabled), main input:not([type=hidden], :disabled), main select, main textarea, main summary, header a, header summary, header button, nav a")].filter(e => {
	if (!e.checkVisibility()) return false;
	e.focus({ focusVisible: true });
	const s = getComputedStyle(e);
	return document.activeElement !== e || (s.outlineStyle === "none" && s.boxShadow === "none");
}).map(e => e.outerHTML.slice(0, 90))`

// spill is how far a page is wider than its window, and by what.
const spill = `(() => { const wide = document.documentElement.scrollWidth - innerWidth; if (wide <= 0) return [];
	return [wide + " px", ...[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .tabs, pre, .side")).slice(0, 3).map(e => e.outerHTML.slice(0, 90))]; })()`

// doubled are ids that are there twice, and controls in a table's head or list that are not in any form.
const doubled = `[...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)`

func TestPagesAreReadableByEveryoneInEveryWindow(t *testing.T) {
	w := serve(t)
	settle(t, w)
	b := browse(t, w)
	for _, look := range windows {
		b.look(look)
		b.visit("/sign-in")
		check(b, "/sign-in", look)
	}
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	for _, path := range addresses(t, false) {
		for _, look := range windows {
			b.look(look)
			b.visit(path)
			check(b, path, look)
		}
	}
}

// check holds what a page owes who reads it, and takes its picture.
func check(b *browser, path string, look window) {
	b.Helper()
	rules := map[string]string{"is wider than the window": spill, "has texts of little contrast": faint, "shows an id twice": doubled}
	if !look.dark {
		rules["has what has no name"] = unlabelled
		rules["hides where the focus is"] = unseen
	}
	for rule, script := range rules {
		if broken := evaluate[[]string](b, script); len(broken) > 0 {
			b.Errorf("%s (%s) %s: %s", path, look.name, rule, strings.Join(broken, "\n\t"))
		}
	}
	evaluate[bool](b, `document.activeElement.blur() === undefined`)
	name := strings.NewReplacer("/", "-", "?", "-", "=", "-", "&", "-").Replace(strings.TrimPrefix(path, "/"))
	b.shot("page." + name + "." + look.name)
}

// settle makes a team with something on each page: devices in groups and none, versions that
// run and one that never ran, members of all roles, an invitation, a program, an alert.
func settle(t *testing.T, w *world) {
	t.Helper()
	hiddenGroup(t, w)
	w.UploadVersions(imageSize, 2)
	owner := fleet.Actor{User: 1, Team: 1, Email: cloudtest.OwnerEmail, Role: fleet.Owner}
	ctx, r, a := t.Context(), w.Cloud.Registry(), w.Cloud.Accounts()
	for role, groups := range map[fleet.Role][]string{fleet.Admin: nil, fleet.Editor: {"beta"}, fleet.Viewer: {}} {
		cloudtest.Must[fleet.Member](t)(a.AddUser(ctx, owner, role.String()+"@example.com", cloudtest.OwnerPassword, role, groups))
	}
	if _, _, err := a.Invite(ctx, owner, "new@example.com", fleet.Editor, []string{"beta", "secretive"}); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := a.AddProgram(ctx, owner, "build server", fleet.Editor, []string{"beta", "secretive"}, 0); err != nil {
		t.Fatal(err)
	}
	cloudtest.Must[fleet.Team](t)(a.CreateTeam(ctx, owner, "Second team"))
	cloudtest.Must[fleet.Product](t)(r.CreateProduct(ctx, owner, fleet.Product{Name: "Street lock with a rather long name", Slug: "lock"}))
}

// page asks for a page as a browser would that is signed in as jar says.
func page(t *testing.T, jar *http.Client, address string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := jar.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

// jar is a browser's memory after signing in.
func (w *world) jar(t *testing.T, email string) *http.Client {
	t.Helper()
	client := &http.Client{Jar: cloudtest.Must[*cookiejar.Jar](t)(cookiejar.New(nil)), Timeout: cloudtest.Patience}
	form := url.Values{"email": {email}, "password": {cloudtest.OwnerPassword}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.address("/sign-in"), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if len(client.Jar.Cookies(request.URL)) == 0 {
		t.Fatalf("%s is not signed in: status %d", email, answer.StatusCode)
	}
	return client
}

func (w *world) address(path string) string { return w.URL("") + path }

// No page tells an editor or a viewer of a group they don't hold, nor of a device in it:
// over all addresses the console answers, and what it completes and previews.
func TestPagesTellARestrictedUserOfNoHiddenGroup(t *testing.T) {
	w := serve(t)
	settle(t, w)
	paths := addresses(t, true)
	for _, secret := range []string{"secretive", "widget-0002"} {
		paths = append(paths, "/p/lamp/group?name="+secret, "/p/lamp/devices?group="+secret, "/devices?group="+secret, "/p/lamp/device/"+secret,
			"/devices/"+secret, "/group-names?group="+secret[:4], "/p/lamp/group/impact?name="+secret, "/p/lamp/firmware/2/confirm?group="+secret, "/p/lamp/devices?q="+secret)
	}
	for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor} {
		jar := w.jar(t, role.String()+"@example.com")
		for _, path := range paths {
			status, text := page(t, jar, w.address(path))
			if status == http.StatusInternalServerError {
				t.Errorf("%s: %s answers %d", role, path, status)
			}
			asked := cloudtest.Must[*url.URL](t)(url.Parse(path))
			for _, secret := range []string{"secretive", "widget-0002"} {
				if strings.Contains(asked.String(), secret) { // what one asks for is said again: only that
					text = strings.ReplaceAll(text, secret+`"`, "")
					text = strings.ReplaceAll(text, ": "+secret, "")
					text = strings.ReplaceAll(text, "“"+secret+"”", "")
					continue
				}
				if strings.Contains(text, secret) {
					t.Errorf("%s: %s shows %s", role, path, secret)
				}
			}
		}
	}
	owner := w.jar(t, cloudtest.OwnerEmail)
	if _, text := page(t, owner, w.address("/group-names?of=lamp&group=SECR")); !strings.Contains(text, `value="secretive"`) {
		t.Errorf("who may see the group is not offered its name: %s", text)
	}
}

func TestPagesOfTheTeamShowAViewerNothingToPress(t *testing.T) {
	w := serve(t)
	settle(t, w)
	for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor} {
		b := browse(t, w)
		b.signIn(role.String()+"@example.com", cloudtest.OwnerPassword)
		for _, path := range []string{"/team", "/team/programs", "/team/settings", "/products", "/p/lamp/settings", "/p/lamp/groups", "/devices"} {
			b.visit(path)
			b.shows("main h1")
			if n := evaluate[float64](b, `document.querySelectorAll("main form[method=post]").length`); n != 0 {
				t.Errorf("%s offers a %s %v forms", path, role, n)
			}
		}
		b.visit("/team")
		b.sees("Adding members takes an admin; you are " + map[fleet.Role]string{fleet.Viewer: "a viewer.", fleet.Editor: "an editor."}[role])
		if evaluate[bool](b, `document.body.innerText.includes("Audit log")`) {
			t.Errorf("a %s is offered the audit log", role)
		}
		b.visitRaw("/team/audit")
		b.sees("Your role " + role.String() + " may not do this")
		b.visitRaw("/team/tokens?of=" + cloudtest.OwnerEmail)
		b.sees("Your role " + role.String() + " may not do this")
		b.visit("/team/tokens") // one's own are everyone's to make
		b.fill("[name=label]", "laptop")
		b.press("New token")
		b.sees("Your new token, shown this once")
		b.click(`button[aria-label^="Revoke laptop"]`)
		b.sees("Revoked.")
		b.visit("/account")
		b.press("Leave Team")
		b.click("details .bad")
		b.shows("[name=password]")
	}
}

func TestPagesSwitchTheTeamWithoutThePassword(t *testing.T) {
	w := serve(t)
	settle(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.click("#user-menu summary")
	b.click(`button[aria-label="Switch to Second team"]`)
	b.sees("No product yet")
	b.visit("/team")
	b.shows(`main h1`)
	if got := evaluate[string](b, `document.querySelector("main h1").textContent`); got != "Second team" {
		t.Errorf("in %q, want the second team", got)
	}
	b.visitRaw("/p/lamp/devices") // of the other team
	b.sees("No such product")

	b.visit("/team/settings")
	b.press("Delete this team")
	b.fill("details [name=name]", "Team")
	b.press("Delete the team")
	b.sees("Write the team's name, Second team, to delete it")
	b.fill("details [name=name]", "Second team")
	b.press("Delete the team")
	b.shows("[name=password]")
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/account")
	if evaluate[bool](b, `document.body.innerText.includes("Second team")`) {
		t.Error("the deleted team is still offered")
	}
}

func TestPagesChangeOnesOwnPassword(t *testing.T) {
	const renewed = "another horse, another staple"
	w := serve(t)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/account")
	b.fill("[name=current_password]", "not the password")
	b.fill("[name=password]", renewed)
	b.fill("[name=again]", "something else entirely")
	b.press("Change password")
	b.sees("Write the same new password twice")
	b.fill("[name=again]", renewed)
	b.press("Change password")
	b.shows("[name=current_password][aria-invalid=true]")
	b.fill("[name=current_password]", cloudtest.OwnerPassword)
	b.press("Change password")
	b.sees("Your password is changed.") // and this session goes on
	other := browse(t, w)
	other.signIn(cloudtest.OwnerEmail, renewed)
}

func TestPagesRunTheTeam(t *testing.T) {
	w := serve(t)
	settle(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)

	b.visit("/team/programs")
	b.fill("[name=name]", "dashboard")
	b.press("Make the program")
	b.sees("shown this once")
	b.shot("program")
	secret := evaluate[string](b, `document.querySelector(".attention pre").textContent`)
	who := cloudtest.Must[fleet.Actor](t)(w.Cloud.Accounts().Actor(t.Context(), secret))
	if who.Role != fleet.Editor || !strings.HasPrefix(who.Email, "dashboard+") {
		t.Errorf("the program's token is that of %+v", who)
	}
	b.visit("/team/programs")
	b.click(`summary[aria-label="New token for ` + who.Email + `"]`)
	b.click(`details[open] .primary`)
	b.sees("shown this once")
	if _, err := w.Cloud.Accounts().Actor(t.Context(), secret); err == nil {
		t.Error("the program's old token still works")
	}

	b.visit("/team/tokens?of=" + url.QueryEscape(who.Email))
	b.sees("program")
	b.click(`main table form button`)
	b.sees("Revoked.")

	b.visit("/team/audit?action=user")
	b.sees("dashboard+")
	b.sees("role viewer")
	b.fill("[name=q]", "no such words")
	b.press("Search")
	b.sees("Nothing like this was done")

	b.visit("/team/settings")
	evaluate[bool](b, `(document.querySelector("input[value=rename] ~ label [name=name]").value = "") === ""`)
	evaluate[bool](b, `document.querySelectorAll("[required]").forEach(e => e.removeAttribute("required")) === undefined`)
	b.press("Save")
	b.sees("Name is missing")
	b.shows("[name=name][aria-invalid=true]")
	b.fill(`input[value=rename] ~ label [name=name]`, "Lamps of the north")
	b.press("Save")
	b.sees("The team is called Lamps of the north now.")
	b.fill("select[name=email]", "admin@example.com")
	b.click("label.check input")
	b.press("Hand the team over")
	b.sees("The team belongs to admin@example.com now")
	b.sees("and making another takes the owner; you are an admin.")
}

func TestPagesEditAndDeleteAProduct(t *testing.T) {
	w := serve(t)
	settle(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/settings")
	b.fill("[name=slug]", "lock")
	b.press("Save")
	b.sees("A product with the slug lock exists already")
	b.shows("[name=slug][aria-invalid=true]")
	b.fill("[name=slug]", "hall-lamp")
	b.press("Save")
	b.sees("Saved")
	b.visit("/p/hall-lamp/settings")
	b.press("Delete this product")
	b.sees("delete them first")
	b.visit("/p/lock/settings")
	b.press("Delete this product")
	b.click("form label.check input[required]")
	b.press("Delete Street lock with a rather long name")
	b.sees("Deleted Street lock with a rather long name.")
}

// Who saves over an edit they did not see is told, and keeps what they typed.
func TestPagesLoseNoEditOfSomeoneElse(t *testing.T) {
	w := serve(t)
	settle(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	owner, theirs := fleet.Actor{User: 1, Team: 1, Email: cloudtest.OwnerEmail, Role: fleet.Owner}, "theirs"
	for path, other := range map[string]func() error{
		"/p/lamp/settings": func() error {
			_, err := w.Cloud.Registry().EditProduct(t.Context(), owner, 1, fleet.ProductEdit{Description: &theirs})
			return err
		},
		"/p/lamp/group?name=beta": func() error {
			_, err := w.Cloud.Registry().EditGroup(t.Context(), owner, 1, "beta", fleet.GroupEdit{Description: &theirs})
			return err
		},
		"/p/lamp/firmware/2": func() error {
			_, err := w.Cloud.Releases().EditFirmware(t.Context(), owner, 1, fleet.WholeVersion(2), fleet.FirmwareEdit{Description: &theirs})
			return err
		},
	} {
		b.visit(path)
		b.fill("form [name=description]", "mine")
		if err := other(); err != nil {
			t.Fatal(err)
		}
		b.press("Save")
		b.shows("main form .problem p")
		if got := evaluate[string](b, `document.querySelector("form [name=description]").value`); got != "mine" {
			t.Errorf("%s: %q is left of what was typed", path, got)
		}
	}
	b.visit("/p/lamp/firmware/2/confirm?group=beta")
	w.ReleaseVersion(2, func(r *api.Release) { r.Groups = api.Some(api.Names{"secretive"}) })
	b.press("Release this firmware")
	b.shows("main form .problem p")
}

// What goes wrong is said on the page, at its field, and nothing typed is lost.
func TestPagesKeepWhatWasTypedWhereSomethingIsWrong(t *testing.T) {
	w := serve(t)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/devices/import")
	b.fill("[name=ids]", "lamp-1")
	b.press("They are BLE devices behind a gateway")
	b.fill("[name=gateway]", "no-such-gateway")
	b.press("Import")
	b.sees("No such device: no-such-gateway")
	b.shows("[name=gateway][aria-invalid=true]")
	if got := evaluate[string](b, `document.querySelector("[name=ids]").value`); got != "lamp-1" {
		t.Errorf("the ids typed are %q now", got)
	}
	evaluate[bool](b, `(document.querySelector("[name=gateway]").value = "") === ""`)
	b.press("Import")
	b.sees("1 device imported")
	b.visit("/p/lamp/devices?group=nobody&q=lamp")
	b.sees("No such group: nobody")
	if got := evaluate[string](b, `document.querySelector("[name=q]").value`); got != "lamp" {
		t.Errorf("the search typed is %q now", got)
	}
	w.UploadVersions(imageSize, 1)
	b.visit("/p/lamp/firmware/1/release")
	b.press("Next")
	b.sees("Choose a group or the product default first.")
}

// A filter of any size is changed at once (MUSTER_CONSOLE_RECORDS, 20,000 in the time given): here by two steps, of
// which the second begins where the first ends.
func TestPagesEditGroupsOfAllThatMatch(t *testing.T) {
	devices := cloudtest.Must[int](t)(strconv.Atoi(cmp.Or(os.Getenv("MUSTER_CONSOLE_RECORDS"), "1203")))
	all := fmt.Sprintf("%d,%03d", devices/1000, devices%1000)
	w := serve(t)
	for _, name := range []string{"beta", "b#1:x@y"} {
		cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, name, ""))
	}
	for i := 0; i < devices; i += 500 {
		var ids []fleet.DeviceID
		for j := i; j < min(devices, i+500); j++ {
			ids = append(ids, fleet.DeviceID(fmt.Sprintf("widget-%05d", j)))
		}
		w.Enroll(ids...)
	}
	w.UploadVersions(imageSize, 1)
	w.ReleaseVersion(1, func(r *api.Release) { r.Groups = api.Some(api.Names{"beta"}) })
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/devices?nogroup=yes")
	b.click("a[rel=next]") // the second page is not the first again
	b.sees("51–100 of " + all)
	b.sees("widget-00050")
	b.press("Select all " + all + " that match")
	b.sees("Edit groups of all " + all + " devices that match")
	b.sees("in no group")
	b.click(`input[name="g:beta"][value=add]`)
	b.sees(all + " devices will receive an update")
	b.click(`input[name="g:b#1:x@y"][value=add]`)
	b.shot("batch-all")
	b.press("Save groups of all " + all)
	b.sees("Changed the groups of " + all + " devices.")
	b.shot("batch-done")
	b.visit("/p/lamp/groups")
	b.click(`a[href*="group?name=b%23"]`)
	b.sees("All " + all + " in the list of devices")
	b.press("All " + all + " in the list of devices")
	b.sees("1–50 of " + all)
	b.visit("/p/lamp/devices?by=group")
	b.sees("beta")
	if evaluate[bool](b, `document.querySelector("main").innerText.includes("In no group")`) {
		t.Error("a device is left in no group")
	}
	b.visit("/p/lamp/devices?q=widget-0000&group=beta")
	b.sees("1–10 of 10")
	b.visit("/p/lamp/group?name=beta")
	b.press("Delete this group")
	b.sees("0 devices will receive an update")
}

func TestPagesListDevicesInNoGroupAndWithoutAVersion(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	w.Enroll("silent-1")
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/devices?by=group")
	b.sees("In no group")
	b.sees("widget-0003")
	b.visit("/p/lamp/devices?by=version")
	b.sees("Not heard of yet")
	b.sees("silent-1")
	b.visit("/devices?q=silent")
	b.sees("Devices of all products")
	b.sees("silent-1")
}

// That a version ever ran is known for good: also when nothing runs it any more.
func TestPagesWarnOfAVersionThatNeverRan(t *testing.T) {
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	device := w.Enroll("lamp-1")[0]
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	const warning = "This version never ran on a device."
	b.visit("/p/lamp/firmware/1/release")
	b.sees(warning)
	w.Dial(device).Hello(1)
	w.Dial(device).Hello(2)
	for _, path := range []string{"/p/lamp/firmware/1/release", "/p/lamp/firmware/1/confirm?default=yes"} {
		b.visit(path)
		b.shows("main form")
		if evaluate[bool](b, `document.body.innerText.includes(`+"`"+warning+"`"+`)`) {
			t.Errorf("%s says that version 1 never ran", path)
		}
	}
	b.visit("/p/lamp/firmware/1")
	b.sees("First ran")
}

// Names of groups are completed where there are too many for a box each.
func TestPagesCompleteNamesOfManyGroups(t *testing.T) {
	w := serve(t)
	for i := range 40 {
		cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, fmt.Sprintf("region-%02d", i), ""))
	}
	w.Enroll("lamp-1")
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/devices/import")
	b.click(`input[list=group-names]`)
	b.do(chromedp.KeyEvent("n-37"))
	b.shows(`main`)
	cloudtest.Until(t, "the name is offered", func() bool {
		return evaluate[string](b, `[...document.querySelectorAll("#group-names option")].map(o => o.value).join()`) == "region-37"
	})
	b.visit("/team")
	b.press("Add a member")
	b.fill("[name=email]", "ada@example.com")
	b.fill("[name=password]", cloudtest.OwnerPassword)
	b.click(`form[action="/team/members"] input[name=group][value="*"]`)
	b.press("Add")
	b.sees("Added ada@example.com")
	for _, m := range cloudtest.Must[[]fleet.Member](t)(w.Cloud.Accounts().Members(t.Context(), fleet.Actor{Team: 1, Role: fleet.Owner})) {
		if m.Email == "ada@example.com" && len(m.Groups) != 40 {
			t.Errorf("ada holds %d groups, want all 40", len(m.Groups))
		}
	}
}

// Every thing one can press is reached by the Tab key, in the order it is read.
func TestPagesAreReachedByKey(t *testing.T) {
	w := serve(t)
	settle(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	const reachable = `[...document.querySelectorAll("a[href], button:not(:disabled), input:not([type=hidden], :disabled), select:not(:disabled), textarea, summary, pre[tabindex]")].filter(e => e.checkVisibility() && !e.matches("[tabindex='-1']")).length`
	for _, path := range []string{"/p/lamp/devices", "/team", "/p/lamp/firmware/2/release", "/team/audit"} {
		b.visit(path)
		want := int(evaluate[float64](b, reachable))
		evaluate[bool](b, `(window.reached = new Set()) && document.activeElement.blur() === undefined`)
		for range want + 3 {
			b.do(chromedp.KeyEvent("\t"))
			evaluate[bool](b, `!!reached.add(document.activeElement)`)
		}
		got := int(evaluate[float64](b, `[...reached].filter(e => e !== document.body && !e.matches(".scroll")).length`))
		if got < want {
			t.Errorf("%s: %d of %d things are reached by Tab", path, got, want)
		}
	}
	b.visit("/p/lamp/devices")
	b.do(chromedp.KeyEvent("\t"))
	if got := evaluate[string](b, `document.activeElement.className`); got != "skip" {
		t.Errorf("the first Tab leads to %q, want the way past the menu", got)
	}
}
