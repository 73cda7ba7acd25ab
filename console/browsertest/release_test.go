//go:build browser && !race

package browsertest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

// fleetSize is how many devices the release story is played with: 5,000 in the text it
// comes from.
func fleetSize(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("MUSTER_CONSOLE_DEVICES"), "200"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The example release process of the device groups' guide, with a mouse.
func TestReleaseToPrereleaseGroupUpdatesExactlyItsMembers(t *testing.T) {
	const members = 15
	n := fleetSize(t)
	w := serve(t)
	f := widgets(t, w, n)
	b := browse(t, w)
	b.visit("/")
	b.shot("sign-in")
	b.signInByForm(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.waitText("Needs attention")
	b.visit("/p/lamp/devices")
	b.waitText("widget-0001")
	b.shot("devices")

	b.press("New group")
	b.waitVisible("form [name=description]") // the page before has no such field
	b.fill("form [name=name]", "prerelease")
	b.fill("form [name=description]", "Customers who opted in to early firmware")
	b.press("Create group")
	b.waitText("Created the group prerelease")

	b.visit("/p/lamp/devices")
	for i := range members {
		b.click(fmt.Sprintf(`input[name=device][value="widget-%04d"]`, i+1))
	}
	b.waitText("15 devices")
	b.press("Edit groups")
	b.waitText("Edit groups of 15 devices")
	b.click(`input[value=add]`)
	b.waitText("0 devices will receive an update")
	b.shot("edit-groups")
	b.press("Save groups")
	b.waitText("15 of 15 devices")

	path := filepath.Join(t.TempDir(), "lamp-2.bin")
	if err := os.WriteFile(path, cloudtest.Image(2, imageSize), 0o600); err != nil {
		t.Fatal(err)
	}
	b.visit("/p/lamp/firmware")
	b.press("Upload")
	b.waitVisible("[name=file]")
	b.fill("[name=version]", "2")
	b.fill("[name=title]", "Sunrise")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("[name=file]"), []string{path}))
	b.shot("upload")
	b.press("Upload")
	b.waitText("Uploaded version 2")

	b.click(`a[aria-label="Release version 2"]`)
	b.waitText("Deliver immediately")
	b.click(`input[name=group][value=prerelease]`)
	b.shot("release")
	b.press("Next")
	b.press("Next: impact")
	b.waitText("15 devices will receive an update of 15 checked")
	b.waitText("Will be released to prerelease")
	b.shot("confirm")
	b.press("Release this firmware")
	b.waitText("Released version 2. Devices get it at their next handshake.")
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
	b.waitUntil(`!!document.querySelector('a[aria-label="15 devices with version 2"]') && !document.querySelector("tbody").textContent.includes("never ran")`)
	b.verifyNotReloaded()
	b.press("Follow its progress")
	b.waitText("15 of 15 devices with this target run it")
	b.shot("version")
	b.visit("/p/lamp/device/widget-0001")
	b.waitText("up to date")
	b.waitText("confirmed")
	b.shot("device")
	b.visit("/p/lamp/fleet")
	b.waitVisible("#chart canvas")
	b.shot("fleet")
}

func TestEditorWorksWithTheirGroupsOnly(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	w.UploadVersions(imageSize, 2)
	b := w.member(t, fleet.Editor, "beta")
	b.visit("/p/lamp/device/widget-0002")
	b.waitText("No such device")

	b.visit("/p/lamp/firmware/2/release")
	b.waitText("Releasing to all requires the admin role; yours is editor.") // the product default, disabled with the reason
	b.click(`input[name=group][value=beta]`)
	b.press("Next")
	b.press("Next: impact")
	b.waitText("1 device will receive an update of 1 checked")
	b.press("Release this firmware")
	b.waitText("Released version 2")
	b.shot("editor-firmware")

	b.visit("/p/lamp/device/widget-0003")
	b.fill("#lock-form select", "2")
	b.press("Lock")
	b.waitText("Lock widget-0003 to version 2?")
	b.waitText("1 device will receive an update")
	b.press("Lock to version 2")
	b.waitText("Locked to version 2")
	b.press("Unlock")
	b.waitText("Unlock widget-0003?")
	b.press("Unlock")
	b.waitText("Unlocked")
	b.shot("editor-device")
}

func TestViewerLooksAndTouchesNothing(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	b := w.member(t, fleet.Viewer)
	b.visit("/p/lamp/device/widget-0001")
	b.waitText("No such device")
	for _, path := range []string{"/p/lamp/upload", "/p/lamp/devices/import", "/p/lamp/firmware/1/release", "/p/lamp/fleet/history"} {
		b.visitRaw(path)
		b.waitText("role; yours is viewer")
	}
	b.visit("/p/lamp/device/widget-0003")
	b.shot("viewer-device")
	b.click("#user-menu summary")
	b.press("Sign out")
	b.waitVisible("[name=password]")
	b.visit("/p/lamp/devices")
	b.waitVisible("[name=password]")
}

// A running download is seen live, and stopped at once.
func TestShowsProgressAndStops(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.OTA.Rate = 64 << 10 })
	f := widgets(t, w, 4)
	w.UploadVersions(4<<20, 2)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/firmware/2/confirm?default=yes&now=yes")
	b.waitText("4 devices will receive an update")
	b.click("input[required]")
	b.press("Release this firmware")
	b.waitText("Released version 2")
	b.visit("/p/lamp/device/widget-0001")
	b.waitText("downloading")
	b.waitVisible("#live progress")
	b.shot("live-device")
	b.visit("/p/lamp/fleet")
	b.waitText("Stop all updates")
	b.shot("live-fleet")
	b.press("Stop all updates")
	b.press("Stop 4 updates")
	b.waitText("4 of 4 devices")
	b.visit("/p/lamp/fleet")
	b.waitText("stopped by an operator")
	cloudtest.Until(t, "no download runs", func() bool { return w.Cloud.OTA().Stats().Running == 0 })
	if v := f.Snapshot().Versions["2"]; v != 0 {
		t.Errorf("%d devices run version 2", v)
	}
}

// An owner's walk: a device comes in, its secret is shown once and works; a member and a
// token are made and ended.
func TestOwnerImportsDevicesAndRunsTheTeam(t *testing.T) {
	w := serve(t)
	b := browse(t, w)
	b.signInByForm(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.waitText("No devices yet")
	b.shot("empty")
	b.press("Import devices")
	b.waitVisible("[name=ids]")
	b.fill("[name=ids]", "lamp-1\nlamp 2!\n")
	b.fill("input[name=group]:not([type=checkbox])", "first")
	b.press("Preview")
	b.waitText("1 line can't be imported")
	b.shot("import-bad-line")
	b.press("Back")
	b.waitVisible("[name=ids]")
	b.fill("[name=ids]", "lamp-1,Berlin\nlamp-2,Rome")
	b.press("Preview")
	b.waitText("no heading says what they are")
	b.fill("[name=ids]", "id,name,groups\nlamp-1,Room 12a,first\nlamp-2,Room 12b,\n")
	b.fill("input[name=group]:not([type=checkbox])", "first")
	b.press("Preview")
	b.waitText("Import 2 devices?")
	b.shots("import-preview")
	b.press("Import 2 devices")
	b.waitText("2 devices imported")
	b.waitText("/up/msg/greeting")
	b.shot("imported")
	file := evaluate[string](b, `atob(document.querySelector("a[download]").href.split(",")[1])`)
	credentials := cloudtest.Must[[]simulator.Credential](t)(simulator.ReadCredentials(strings.NewReader(file)))
	if len(credentials) != 2 {
		t.Fatalf("the file of secrets has %d devices: %q", len(credentials), file)
	}
	w.Dial(credentials[0]).Hello(1)
	b.visit("/p/lamp/device/" + string(credentials[0].ID))
	b.waitText("online")
	b.waitText("first")
	if strings.Contains(evaluate[string](b, `document.documentElement.innerHTML`), credentials[0].Secret) {
		t.Error("the device's page shows its secret again")
	}

	b.visit("/team")
	b.press("Add a member")
	b.fill("[name=email]", "eve@example.com")
	b.fill("[name=password]", "short")
	evaluate[bool](b, `document.querySelector("[name=password]").removeAttribute("minlength") === undefined`)
	b.press("Add")
	b.waitVisible(".problem p")
	b.fill("[name=password]", cloudtest.OwnerPassword)
	b.press("Add")
	b.waitText("Added eve@example.com")
	b.shot("team")
	b.press("Edit")
	b.press("Remove")
	b.waitText("Removed eve@example.com from the team")

	b.press("Add a member")
	b.fill("[name=email]", "ada@example.com")
	b.press("Add")
	b.waitText("Send this link to ada@example.com")
	b.shot("invited")
	link := evaluate[string](b, `document.querySelector(".attention pre").textContent`)
	_, secret, _ := strings.Cut(link, "/v1/invitation#")
	if _, _, err := w.Cloud.Accounts().Accept(t.Context(), fleet.Acceptance{Secret: secret, Password: cloudtest.OwnerPassword, Name: "Ada"}); err != nil {
		t.Errorf("the link %s can't be accepted: %v", link, err)
	}
	b.visit("/team")
	b.waitText("ada@example.com")

	b.visit("/team/tokens")
	b.fill("[name=label]", "ci")
	b.press("New token")
	b.waitText("Your new token")
	if _, err := w.Cloud.Accounts().Actor(t.Context(), strings.TrimSpace(evaluate[string](b, `document.querySelector(".attention pre").textContent`))); err != nil {
		t.Errorf("the token shown does not work: %v", err)
	}
	b.click(`button[aria-label^="Revoke ci"]`)
	b.waitText("Revoked.")
}
