//go:build browser

package cloud_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

const screenshots = "../console/testdata/screenshots" // git ignores it

// browser is one window of a real browser, with a session of its own.
type browser struct {
	*testing.T
	ctx  context.Context
	base string
}

// browse opens a window onto w's console. The test fails for anything the browser complains
// of: errors of scripts, what the policy forbids, files that don't come.
func browse(t *testing.T, w *world) *browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(cmp.Or(os.Getenv("MUSTER_CHROMIUM"), "chromium")),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
	}
	for _, flag := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &browser{T: t, ctx: ctx, base: w.URL("")}
	messages := chromedp.Console(ctx)
	var reader sync.WaitGroup
	reader.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			// Statuses are the test's own business: a refusal is one of the things it looks for.
			refused := strings.Contains(m.Text, "the server responded with a status of 4")
			if !refused && (m.IsException() || m.Type == "error" || m.Type == "warning") {
				t.Errorf("the browser complains: %s (%s)", m, m.URL)
			}
		}
	})
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		cancel()
		reader.Wait()
	})
	if err := chromedp.Do(ctx); err != nil { // opens the window, which must outlive any deadline
		t.Fatal(err)
	}
	return b
}

// do carries out steps within the time a person would wait.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	attempt(b, func(ctx context.Context) (chromedp.Void, error) { return chromedp.Void{}, chromedp.Do(ctx, steps...) })
}

// attempt is what try finds on the page. A live page replaces its parts at any moment, also
// between looking for a button and pressing it: like a person, one looks again.
func attempt[T any](b *browser, try func(context.Context) (T, error)) T {
	b.Helper()
	const replaced = -32000 // what the browser answers for a node, or a page, that is no more
	ctx, cancel := context.WithTimeout(b.ctx, cloudtest.Patience)
	defer cancel()
	for {
		v, err := try(ctx)
		var refusal *cdproto.Error
		switch {
		case err == nil:
			return v
		case !errors.As(err, &refusal) || refusal.Code != replaced || ctx.Err() != nil:
			b.stuck(err)
		}
	}
}

// stuck ends the test, and tells what the page says.
func (b *browser) stuck(err error) {
	b.Helper()
	url, _ := chromedp.Run(b.ctx, chromedp.Location())
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	b.shot("failed-" + filepath.Base(b.Name()))
	b.Fatalf("%v\nat %s:\n%.1500s", err, url, text)
}

// evaluate is what a script finds.
func evaluate[T any](b *browser, script string) T {
	b.Helper()
	return attempt(b, func(ctx context.Context) (T, error) { return chromedp.Run(ctx, chromedp.Evaluate[T](script)) })
}

func (b *browser) visit(path string) {
	b.Helper()
	b.do(chromedp.Navigate(b.base+path), chromedp.WaitVisible(chromedp.CSS("main")))
}

// click presses what a CSS selector finds.
func (b *browser) click(selector string) { b.Helper(); b.do(chromedp.Click(chromedp.CSS(selector))) }

// press presses the button or link with this text.
func (b *browser) press(text string) {
	b.Helper()
	b.do(chromedp.Click(chromedp.Search(fmt.Sprintf(`//*[self::button or self::a or self::summary][normalize-space()=%q]`, text))))
}

// shows waits for what a CSS selector finds.
func (b *browser) shows(selector string) {
	b.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)))
}

func (b *browser) fill(selector, text string) {
	b.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// sees waits until the page says text. What is asked of a page that just goes away is asked
// of the next one.
func (b *browser) sees(text string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, cloudtest.Patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	script := `!!document.body && document.body.innerText.replace(/\s+/g, " ").includes(` + strconv.Quote(text) + `)`
	for {
		if said, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script)); said && err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.stuck(fmt.Errorf("the page does not say %q", text))
		}
	}
}

func (b *browser) signIn(email, password string) {
	b.Helper()
	b.visit("/sign-in")
	b.fill("[name=email]", email)
	b.fill("[name=password]", password)
	b.press("Sign in")
	b.shows("nav.side")
}

// shot keeps a picture of the whole page, for people to look at.
func (b *browser) shot(name string) {
	b.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Logf("no picture: %v", err)
		return
	}
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(screenshots, name+".png"), png, 0o644); err != nil {
		b.Fatal(err)
	}
}

// phone makes the window as narrow as a small phone, and back with false.
func (b *browser) phone(on bool) {
	b.Helper()
	if on {
		b.do(chromedp.EmulateViewport(360, 720, chromedp.EmulateMobile))
	} else {
		b.do(chromedp.EmulateViewport(1280, 900))
	}
}

// prefers is a system whose user prefers light or dark pages.
func (b *browser) prefers(scheme string) {
	b.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		b.Fatal(err)
	}
}

// fleetSize is how many devices the release story is played with: 5,000 in the text it
// comes from.
func fleetSize(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("MUSTER_CONSOLE_DEVICES"), "200"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// widgets is a product's fleet at version 1, with a prerelease group of 15.
func widgets(t *testing.T, w *world, n int) *simulator.Fleet {
	t.Helper()
	w.UploadVersions(imageSize, 1)
	w.ReleaseVersion(1)
	ids := make([]fleet.DeviceID, n)
	for i := range ids {
		ids[i] = fleet.DeviceID(fmt.Sprintf("widget-%04d", i+1))
	}
	var credentials []simulator.Credential
	for len(ids) > 0 {
		some := min(len(ids), 500)
		credentials = append(credentials, w.Enroll(ids[:some]...)...)
		ids = ids[some:]
	}
	f := w.Simulate(simulator.Config{Client: simulator.Light, Devices: credentials})
	cloudtest.WaitOnline(t, f)
	return f
}

// The example release process of the device groups' guide, with a mouse.
func TestConsoleReleaseToPrereleaseGroupUpdatesExactlyItsMembers(t *testing.T) {
	const members = 15
	n := fleetSize(t)
	w := serve(t)
	f := widgets(t, w, n)
	b := browse(t, w)
	b.visit("/")
	b.shot("sign-in")
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.sees("widget-0001")
	b.shot("devices")

	b.press("New group")
	b.shows("form [name=description]") // the page before has no such field
	b.fill("form [name=name]", "prerelease")
	b.fill("form [name=description]", "Customers who opted in to early firmware")
	b.press("Create group")
	b.sees("Created the group prerelease")

	b.visit("/p/lamp/devices")
	for i := range members {
		b.click(fmt.Sprintf(`input[name=device][value="widget-%04d"]`, i+1))
	}
	b.sees("15 devices")
	b.press("Edit groups")
	b.sees("Edit groups of 15 devices")
	b.click(`input[value=add]`)
	b.sees("0 devices will receive an update")
	b.shot("edit-groups")
	b.press("Save groups")
	b.sees("Changed the groups of 15 devices")

	path := filepath.Join(t.TempDir(), "lamp-2.bin")
	if err := os.WriteFile(path, cloudtest.Image(2, imageSize), 0o600); err != nil {
		t.Fatal(err)
	}
	b.visit("/p/lamp/firmware")
	b.press("Upload")
	b.shows("[name=file]")
	b.fill("[name=version]", "2")
	b.fill("[name=title]", "Sunrise")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("[name=file]"), []string{path}))
	b.shot("upload")
	b.press("Upload")
	b.sees("Uploaded version 2")

	b.click(`a[aria-label="Release version 2"]`)
	b.sees("Deliver immediately")
	b.click(`input[name=group][value=prerelease]`)
	b.shot("release")
	b.press("Next")
	b.sees("15 devices will receive an update of 15 looked at")
	b.sees("Will be released to prerelease")
	b.shot("confirm")
	b.press("Release this firmware")
	b.sees("Released version 2. Devices get it at their next handshake.")
	b.do(chromedp.WaitVisible(chromedp.Search(`//tr[.//a[@aria-label="Release version 2"]]//*[contains(@class,"tag")][normalize-space()="prerelease"]`)))
	b.shot("firmware")
	if updates := f.Snapshot().Totals.Updates; updates != 0 {
		t.Errorf("%d updates began before any handshake", updates)
	}

	evaluate[bool](b, `window.kept = true`)
	f.Rehello()
	cloudtest.Until(t, "15 devices run version 2", func() bool { return f.Snapshot().Versions["2"] == members && f.Snapshot().Online == n })
	for i := range n {
		s, _ := f.Device(fleet.DeviceID(fmt.Sprintf("widget-%04d", i+1)))
		if got, want := s.Running.String(), map[bool]string{true: "2", false: "1"}[i < members]; got != want {
			t.Errorf("widget-%04d runs %s, want %s", i+1, got, want)
		}
	}
	b.holds(`!!document.querySelector('a[aria-label="15 devices with version 2"]') && !document.querySelector("tbody").textContent.includes("never ran")`)
	b.kept()
	b.press("Follow its progress")
	b.sees("15 of 15 devices that should run it do")
	b.shot("version")
	b.visit("/p/lamp/device/widget-0001")
	b.sees("up to date")
	b.sees("confirmed")
	b.shot("device")
	b.visit("/p/lamp/fleet")
	b.shows("#chart canvas")
	b.shot("fleet")
}

// page is a page of the console, and what one sees on it.
type pageSeen struct{ path, says string }

var everyPage = []pageSeen{
	{"/p/lamp/devices", "widget-0001"}, {"/p/lamp/devices?by=version", "Version 1"}, {"/p/lamp/devices?by=group", "beta"},
	{"/p/lamp/devices?q=nothing-like-it", "No device matches"}, {"/p/lamp/devices/import", "Device ids"},
	{"/p/lamp/device/widget-0001", "Why"}, {"/p/lamp/groups", "beta"}, {"/p/lamp/group?name=beta", "Users who hold it"},
	{"/p/lamp/firmware", "Product default"}, {"/p/lamp/firmware/1", "Progress"}, {"/p/lamp/upload", "Image"},
	{"/p/lamp/firmware/1/release", "Deliver immediately"}, {"/p/lamp/firmware/1/confirm?group=beta&default=yes", "Impacted devices"},
	{"/p/lamp/fleet", "Updates under way"}, {"/products", "New product"}, {"/messages", "Messages"}, {"/alerts", "All quiet"}, {"/events", "Nothing has happened yet"},
	{"/team", "Members"}, {"/no/such/page", "There is no such page"},
}

func TestConsoleEveryPageFitsAPhoneWithoutComplaint(t *testing.T) {
	w := serve(t)
	widgets(t, w, 3)
	name := cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, "beta", "")).Name
	w.EditDevice("widget-0001", api.DeviceUpdate{Groups: api.Some(api.Names{name})})
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	for _, p := range everyPage {
		for _, narrow := range []bool{false, true} {
			b.phone(narrow)
			b.visit(p.path)
			b.sees(p.says)
			if wide := evaluate[float64](b, `document.documentElement.scrollWidth`) - map[bool]float64{true: 360, false: 1280}[narrow]; wide > 0 {
				t.Errorf("%s is %v px wider than the window (narrow: %t)", p.path, wide, narrow)
			}
			if n := evaluate[float64](b, unnamed); n > 0 {
				t.Errorf("%s has %v inputs, buttons or links without a name", p.path, n)
			}
			if narrow {
				b.shot("phone" + strings.NewReplacer("/", "-", "?", "-", "=", "-", "&", "-").Replace(p.path))
			}
		}
	}
	b.phone(false)
	b.prefers("dark")
	b.visit("/p/lamp/device/widget-0001")
	b.shot("dark-device")
	b.visit("/p/lamp/firmware/1/confirm?group=beta&default=yes")
	b.shot("dark-confirm")
}

// unnamed counts what a screen reader could only call "button".
const unnamed = `[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href], summary")].filter(e =>
	!(e.labels && [...e.labels].some(l => l.textContent.trim())) && !e.getAttribute("aria-label") && !e.textContent.trim()).length`

// member adds a user with a role and groups, and is their window.
func (w *world) member(t *testing.T, role fleet.Role, groups ...string) *browser {
	t.Helper()
	email := role.String() + "@example.com"
	owner := fleet.Actor{User: 1, Team: 1, Role: fleet.Owner}
	if _, err := w.Cloud.Accounts().AddUser(t.Context(), owner, email, cloudtest.OwnerPassword, role, groups); err != nil {
		t.Fatal(err)
	}
	b := browse(t, w)
	b.signIn(email, cloudtest.OwnerPassword)
	return b
}

// hidden sets up a group and a device that editor and viewer must not hear of.
func hiddenGroup(t *testing.T, w *world) {
	t.Helper()
	widgets(t, w, 3)
	for _, name := range []string{"beta", "secretive"} {
		cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, name, ""))
	}
	w.EditDevice("widget-0001", api.DeviceUpdate{Groups: api.Some(api.Names{"beta", "secretive"})})
	w.EditDevice("widget-0002", api.DeviceUpdate{Groups: api.Some(api.Names{"secretive"})})
}

func TestConsoleEditorWorksWithTheirGroupsOnly(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	w.UploadVersions(imageSize, 2)
	b := w.member(t, fleet.Editor, "beta")
	hush(b)
	b.visit("/p/lamp/device/widget-0002")
	b.sees("No such device")

	b.visit("/p/lamp/firmware/2/release")
	b.sees("Releasing to all takes an admin; you are an editor.") // the product default, disabled with the reason
	b.click(`input[name=group][value=beta]`)
	b.press("Next")
	b.sees("1 device will receive an update of 1 looked at")
	b.press("Release this firmware")
	b.sees("Released version 2")
	b.shot("editor-firmware")

	b.visit("/p/lamp/device/widget-0003")
	b.fill("#lock-form select", "2")
	b.press("Lock")
	b.sees("Lock widget-0003 to version 2?")
	b.sees("1 device will receive an update")
	b.press("Lock to version 2")
	b.sees("Locked to version 2")
	b.press("Unlock")
	b.sees("Unlocked")
	b.shot("editor-device")
}

func TestConsoleViewerLooksAndTouchesNothing(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	b := w.member(t, fleet.Viewer)
	hush(b)
	b.visit("/p/lamp/device/widget-0001")
	b.sees("No such device")
	for _, path := range []string{"/p/lamp/devices", "/p/lamp/device/widget-0003", "/p/lamp/groups", "/p/lamp/firmware", "/p/lamp/firmware/1", "/p/lamp/fleet", "/alerts", "/messages", "/events", "/products"} {
		b.visit(path)
		if n := evaluate[float64](b, `document.querySelectorAll("main form[method=post]").length`); n != 0 {
			t.Errorf("%s offers a viewer %v forms", path, n)
		}
	}
	for _, path := range []string{"/p/lamp/upload", "/p/lamp/devices/import", "/p/lamp/firmware/1/release", "/p/lamp/fleet/history"} {
		b.visitRaw(path)
		b.sees("Your role viewer may not do this")
	}
	b.visit("/p/lamp/device/widget-0003")
	b.shot("viewer-device")
	b.click("#user-menu summary")
	b.press("Sign out")
	b.shows("[name=password]")
	b.visit("/p/lamp/devices")
	b.shows("[name=password]")
}

// visitRaw goes where there may be no page.
func (b *browser) visitRaw(path string) { b.Helper(); b.do(chromedp.Navigate(b.base + path)) }

// hush walks every page and looks for the group nobody here may hear of.
func hush(b *browser) {
	b.Helper()
	for _, p := range append(everyPage, pageSeen{path: "/p/lamp/group?name=secretive"}, pageSeen{path: "/p/lamp/devices?group=secretive"}) {
		b.visit(p.path)
		text := strings.ReplaceAll(evaluate[string](b, `document.documentElement.innerHTML`), "name=secretive", "")
		if strings.Contains(text, "No such group: secretive") { // what one asked for oneself
			continue
		}
		if strings.Contains(text, "secretive") || strings.Contains(text, "widget-0002") {
			b.Errorf("%s shows the hidden group or its device", p.path)
		}
	}
}

// A running download is seen live, and stopped at once.
func TestConsoleShowsProgressAndStops(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.Rate = 64 << 10 })
	f := widgets(t, w, 4)
	w.UploadVersions(4<<20, 2)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/firmware/2/confirm?default=yes&now=yes")
	b.sees("4 devices will receive an update")
	b.click("input[required]")
	b.press("Release this firmware")
	b.sees("Released version 2")
	b.visit("/p/lamp/device/widget-0001")
	b.sees("downloading")
	b.shows("#live progress")
	b.shot("live-device")
	b.visit("/p/lamp/fleet")
	b.sees("Stop all of them now")
	b.shot("live-fleet")
	b.press("Stop all of them now")
	b.sees("Stopped 4 updates")
	b.sees("stopped by an operator")
	cloudtest.Until(t, "no download runs", func() bool { return w.Cloud.OTA().Stats().Running == 0 })
	if v := f.Snapshot().Versions["2"]; v != 0 {
		t.Errorf("%d devices run version 2", v)
	}
}

// A list of any length is one page of it: the server's time for a page stays below 200 ms,
// also with 100,000 devices (MUSTER_CONSOLE_RECORDS).
func TestConsolePagesAreRenderedWithin200Milliseconds(t *testing.T) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("MUSTER_CONSOLE_RECORDS"), "2000"))
	if err != nil {
		t.Fatal(err)
	}
	w := serve(t)
	w.UploadVersions(imageSize, 1)
	w.ReleaseVersion(1)
	for i := 0; i < n; i += 500 {
		var ids []fleet.DeviceID
		for j := i; j < min(n, i+500); j++ {
			ids = append(ids, fleet.DeviceID(fmt.Sprintf("widget-%06d", j)))
		}
		w.Enroll(ids...)
	}
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	for _, path := range []string{"/p/lamp/devices", "/p/lamp/devices?sort=-name&from=9950", "/p/lamp/devices?q=99&online=no&locked=no",
		"/p/lamp/device/widget-000001", "/p/lamp/firmware", "/p/lamp/firmware/1/confirm?default=yes", "/p/lamp/fleet"} {
		least := math.Inf(1) // of three visits: what else a machine does is not the page's fault
		for range 3 {
			b.visit(path)
			times := evaluate[[]float64](b, `performance.getEntriesByType("navigation")[0].serverTiming.map(t => t.duration)`)
			if len(times) != 1 {
				t.Fatalf("%s: got server times %v, want one", path, times)
			}
			least = min(least, times[0])
		}
		if least > 200 {
			t.Errorf("%s: got %v ms, want below 200", path, least)
		}
		t.Logf("%s: %v ms", path, least)
	}
}

// An owner's walk: a device comes in, its secret is shown once and works; a member and a
// token are made and ended.
func TestConsoleOwnerImportsDevicesAndRunsTheTeam(t *testing.T) {
	w := serve(t)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.sees("No devices yet")
	b.shot("empty")
	b.press("Import devices")
	b.shows("[name=ids]")
	b.fill("[name=ids]", "lamp-1\nlamp 2!\n")
	b.fill("input[name=group]:not([type=checkbox])", "first")
	b.press("Import")
	b.sees("Line 2, “lamp 2!”: a device id is 1 to 128 letters")
	b.shot("import-bad-line")
	b.fill("[name=ids]", "lamp-1\nlamp-2\n")
	b.press("Import")
	b.sees("2 devices imported")
	b.sees("/up/msg/greeting")
	b.shot("imported")
	file := evaluate[string](b, `atob(document.querySelector("a[download]").href.split(",")[1])`)
	credentials := cloudtest.Must[[]simulator.Credential](t)(simulator.ReadCredentials(strings.NewReader(file)))
	if len(credentials) != 2 {
		t.Fatalf("the file of secrets has %d devices: %q", len(credentials), file)
	}
	w.Dial(credentials[0]).Hello(1)
	b.visit("/p/lamp/device/" + string(credentials[0].ID))
	b.sees("online")
	b.sees("first")
	if strings.Contains(evaluate[string](b, `document.documentElement.innerHTML`), credentials[0].Secret) {
		t.Error("the device's page shows its secret again")
	}

	b.visit("/team")
	b.press("Add a member")
	b.fill("[name=email]", "eve@example.com")
	b.fill("[name=password]", "short")
	evaluate[bool](b, `document.querySelector("[name=password]").removeAttribute("minlength") === undefined`)
	b.press("Add")
	b.shows(".problem p")
	b.fill("[name=password]", cloudtest.OwnerPassword)
	b.press("Add")
	b.sees("Added eve@example.com")
	b.shot("team")
	b.press("Edit")
	b.press("Remove")
	b.sees("Removed eve@example.com from the team")

	b.press("Add a member")
	b.fill("[name=email]", "ada@example.com")
	b.press("Add")
	b.sees("Pass this link on to ada@example.com")
	b.shot("invited")
	link := evaluate[string](b, `document.querySelector(".attention pre").textContent`)
	_, secret, _ := strings.Cut(link, "/v1/invitation#")
	if _, _, err := w.Cloud.Accounts().Accept(t.Context(), fleet.Acceptance{Secret: secret, Password: cloudtest.OwnerPassword, Name: "Ada"}); err != nil {
		t.Errorf("the link %s can't be accepted: %v", link, err)
	}
	b.visit("/team")
	b.sees("ada@example.com")

	b.visit("/team/tokens")
	b.fill("[name=label]", "ci")
	b.press("New token")
	b.sees("Your new token, shown this once")
	if _, err := w.Cloud.Accounts().Actor(t.Context(), strings.TrimSpace(evaluate[string](b, `document.querySelector(".attention pre").textContent`))); err != nil {
		t.Errorf("the token shown does not work: %v", err)
	}
	b.click(`button[aria-label^="Revoke ci"]`)
	b.sees("Revoked.")
}
