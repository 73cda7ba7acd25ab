//go:build browser && !race

package browsertest

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

func TestPagesOfTheTeamSayWhichRoleTheyRequire(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor} {
		b := browse(t, w)
		b.signIn(role.String()+"@example.com", cloudtest.OwnerPassword)
		b.visit("/team")
		b.waitText("Adding members requires the admin role; yours is " + role.String() + ".")
		if evaluate[bool](b, `document.body.innerText.includes("Audit log")`) {
			t.Errorf("a %s is offered the audit log", role)
		}
		b.visitRaw("/team/audit")
		b.waitText("role; yours is " + role.String())
		b.visitRaw("/team/tokens?of=" + cloudtest.OwnerEmail)
		b.waitText("role; yours is " + role.String())
		b.visit("/team/tokens") // one's own are everyone's to make
		b.fill("[name=label]", "laptop")
		b.press("New token")
		b.waitText("Shown only once: copy it now.")
		b.click(`button[aria-label^="Revoke laptop"]`)
		b.waitText("Revoked.")
		b.visit("/account")
		b.press("Leave Team")
		b.click("details .bad")
		b.waitVisible("[name=password]")
	}
}

func TestPagesSwitchTheTeamWithoutThePassword(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signInByForm(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.click("#user-menu summary")
	b.click(`button[aria-label="Switch to Second team"]`)
	b.waitText("No product yet")
	b.visit("/team")
	b.waitVisible(`main h1`)
	if got := evaluate[string](b, `document.querySelector("main h1").textContent`); got != "Second team" {
		t.Errorf("in %q, want the second team", got)
	}
	b.visitRaw("/p/lamp/devices") // of the other team
	b.waitText("No such product")

	b.visit("/team/settings")
	b.press("Delete this team")
	b.fill("details [name=name]", "Team")
	b.press("Delete the team")
	b.waitText("Type the team's name, Second team, to delete it")
	b.fill("details [name=name]", "Second team")
	b.press("Delete the team")
	b.waitVisible("[name=password]")
	b.signInByForm(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
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
	b.waitText("Enter the same new password twice")
	b.fill("[name=again]", renewed)
	b.press("Change password")
	b.waitVisible("[name=current_password][aria-invalid=true]")
	b.fill("[name=current_password]", cloudtest.OwnerPassword)
	b.press("Change password")
	b.waitText("Password changed.") // and this session continues
	other := browse(t, w)
	other.signInByForm(cloudtest.OwnerEmail, renewed)
}

func TestPagesRunTheTeam(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)

	b.visit("/team/programs")
	b.fill("[name=name]", "dashboard")
	b.press("Create program")
	b.waitText("Shown only once")
	b.shot("program")
	secret := evaluate[string](b, `document.querySelector(".attention pre").textContent`)
	who := cloudtest.Must[fleet.Actor](t)(w.Cloud.Accounts().Actor(t.Context(), secret))
	if who.Role != fleet.Editor || !strings.HasPrefix(who.Email, "dashboard+") {
		t.Errorf("the program's token is that of %+v", who)
	}
	b.visit("/team/programs")
	b.click(`summary[aria-label="New token for ` + who.Email + `"]`)
	b.click(`details[open] .primary`)
	b.waitText("Shown only once")
	if _, err := w.Cloud.Accounts().Actor(t.Context(), secret); err == nil {
		t.Error("the program's old token still works")
	}

	b.visit("/team/tokens?of=" + url.QueryEscape(who.Email))
	b.waitText("program")
	b.click(`main table form button`)
	b.waitText("Revoked.")

	b.visit("/team/audit?action=user")
	b.waitText("dashboard+")
	b.waitText("role viewer")
	b.fill(".filter [name=q]", "no such words")
	b.press("Search")
	b.waitText("No entry matches")

	b.visit("/team/settings")
	evaluate[bool](b, `(document.querySelector("input[value=rename] ~ label [name=name]").value = "") === ""`)
	evaluate[bool](b, `document.querySelectorAll("[required]").forEach(e => e.removeAttribute("required")) === undefined`)
	b.press("Save")
	b.waitText("Name is missing")
	b.waitVisible("[name=name][aria-invalid=true]")
	b.fill(`input[value=rename] ~ label [name=name]`, "Lamps of the north")
	b.press("Save")
	b.waitText("Renamed the team to Lamps of the north.")
	b.fill("select[name=email]", "admin@example.com")
	b.click("label.check input")
	b.press("Hand the team over")
	b.waitText("admin@example.com owns the team now")
	b.waitText("and making another requires the owner role; yours is admin.")
}

func TestPagesEditAndDeleteAProduct(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/settings")
	b.fill("[name=slug]", "lock")
	b.press("Save")
	b.waitText("A product with the slug lock exists already")
	b.waitVisible("[name=slug][aria-invalid=true]")
	b.fill("[name=slug]", "hall-lamp")
	b.press("Save")
	b.waitText("Saved")
	b.visit("/p/hall-lamp/settings")
	b.press("Delete this product")
	b.waitText("delete them first")
	b.visit("/p/lock/settings")
	b.press("Delete this product")
	b.click("form label.check input[required]")
	b.press("Delete Street lock with a rather long name")
	b.waitText("Deleted Street lock with a rather long name.")
}

// Whoever saves over an edit they did not see gets a warning, and keeps what they typed.
func TestPagesLoseNoEditOfSomeoneElse(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	theirs := "theirs"
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
		b.waitVisible("main form .problem p")
		if got := evaluate[string](b, `document.querySelector("form [name=description]").value`); got != "mine" {
			t.Errorf("%s: %q is left of what was typed", path, got)
		}
	}
	b.visit("/p/lamp/firmware/2/confirm?group=beta")
	w.ReleaseVersion(2, func(r *api.Release) { r.Groups = api.Some(api.Names{"secretive"}) })
	b.press("Release this firmware")
	b.waitVisible("main form .problem p")
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
	b.press("Preview")
	b.waitText("No such device: no-such-gateway")
	b.waitVisible("[name=gateway][aria-invalid=true]")
	if got := evaluate[string](b, `document.querySelector("[name=ids]").value`); got != "lamp-1" {
		t.Errorf("the ids typed are %q now", got)
	}
	evaluate[bool](b, `(document.querySelector("[name=gateway]").value = "") === ""`)
	b.press("Preview")
	b.press("Import 1 device")
	b.waitText("1 device imported")
	b.visit("/p/lamp/device/lamp-1")
	b.fill("[name=payload]", "half of a comm")
	b.fill("[name=notes]", "on the roof")
	b.click("form[data-draft] button")
	b.waitText("Saved.")
	b.waitUntil(`document.querySelector("[name=payload]").value + " " + document.querySelector("[name=notes]").value === "half of a comm on the roof"`)
	b.visit("/p/lamp/devices?group=nobody&q=lamp")
	b.waitText("No such group: nobody")
	if got := evaluate[string](b, `document.querySelector("form.filter [name=q]").value`); got != "lamp" {
		t.Errorf("the search typed is %q now", got)
	}
	w.UploadVersions(imageSize, 1)
	b.visit("/p/lamp/firmware/1/release")
	b.press("Next")
	b.waitText("Choose a group or the product default first.")
}

// A filter of any size is changed by one job (MUSTER_CONSOLE_RECORDS), whose page is left and visited again.
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
	b.waitText("51–100 of " + all)
	b.waitText("widget-00050")
	b.press("Edit groups of all " + all)
	b.waitText("Edit groups of all " + all + " devices that match")
	b.waitText("in no group")
	b.click(`input[name="g:beta"][value=add]`)
	b.waitText(all + " devices will receive an update")
	b.click(`input[name="g:b#1:x@y"][value=add]`)
	b.shot("batch-all")
	b.press("Save groups of all " + all)
	b.waitText(" of " + all + " devices")
	b.visit("/p/lamp/groups") // the job does not need its page
	b.visit("/jobs")
	b.press("Job 1")
	b.waitText(all + " of " + all + " devices")
	b.waitText("done")
	b.shot("batch-done")
	b.visit("/p/lamp/groups")
	b.click(`a[href*="group?name=b%23"]`)
	b.waitText("All " + all + " in the list of devices")
	b.press("All " + all + " in the list of devices")
	b.waitText("1–50 of " + all)
	b.visit("/p/lamp/devices?by=group")
	b.waitText("beta")
	if evaluate[bool](b, `document.querySelector("main").innerText.includes("In no group")`) {
		t.Error("a device is left in no group")
	}
	b.visit("/p/lamp/devices?q=widget-0000&group=beta")
	b.waitText("1–10 of 10")
	b.visit("/p/lamp/group?name=beta")
	b.press("Delete this group")
	b.waitText("0 devices will receive an update")
}

func TestPagesListDevicesInNoGroupAndWithoutAVersion(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	w.Enroll("silent-1")
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/devices?by=group")
	b.waitText("In no group")
	b.waitText("widget-0003")
	b.visit("/p/lamp/devices?by=version")
	b.waitText("Version unknown")
	b.waitText("silent-1")
	b.visit("/devices?q=silent")
	b.waitText("Devices of all products")
	b.waitText("silent-1")
}

// That a version ever ran is known for good: also when nothing runs it any more.
func TestPagesWarnOfAVersionThatNeverRan(t *testing.T) {
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	device := w.Enroll("lamp-1")[0]
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	const warning = "This version has never run on a device."
	b.visit("/p/lamp/firmware/1/release")
	b.waitText(warning)
	w.Dial(device).Hello(1)
	w.Dial(device).Hello(2)
	for _, path := range []string{"/p/lamp/firmware/1/release", "/p/lamp/firmware/1/confirm?default=yes"} {
		b.visit(path)
		b.waitVisible("main form")
		if evaluate[bool](b, `document.body.innerText.includes(`+"`"+warning+"`"+`)`) {
			t.Errorf("%s says that version 1 never ran", path)
		}
	}
	b.visit("/p/lamp/firmware/1")
	b.waitText("First ran")
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
	b.waitVisible(`main`)
	cloudtest.Until(t, "the name is offered", func() bool {
		return evaluate[string](b, `[...document.querySelectorAll("#group-names option")].map(o => o.value).join()`) == "region-37"
	})
	b.visit("/team")
	b.press("Add a member")
	b.fill("[name=email]", "ada@example.com")
	b.fill("[name=password]", cloudtest.OwnerPassword)
	b.click(`form[action="/team/members"] input[name=group][value="*"]`)
	b.press("Add")
	b.waitText("Added ada@example.com")
	for _, m := range cloudtest.Must[[]fleet.Member](t)(w.Cloud.Accounts().Members(t.Context(), fleet.Actor{Team: 1, Role: fleet.Owner})) {
		if m.Email == "ada@example.com" && len(m.Groups) != 40 {
			t.Errorf("ada holds %d groups, want all 40", len(m.Groups))
		}
	}
}

// Every thing one can press is reached by the Tab key, in the order it is read.
func TestPagesAreReachedByKey(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	const reachable = `[...document.querySelectorAll("a[href], button:not(:disabled), input:not([type=hidden], :disabled), select:not(:disabled), textarea, summary, pre[tabindex]")].filter(e => e.checkVisibility() && !e.matches("[tabindex='-1']")).length`
	for _, path := range []string{"/p/lamp/devices", "/team", "/p/lamp/firmware/2/release", "/team/audit"} {
		b.visit(path)
		want := int(evaluate[float64](b, reachable))
		dates := int(evaluate[float64](b, `document.querySelectorAll("input[type=date]").length`)) // stops at day, month, year and calendar
		evaluate[bool](b, `(window.reached = new Set()) && addEventListener("focusin", ({ target }) => reached.add(target)) === undefined && document.activeElement.blur() === undefined`)
		for range want + 3*dates + 3 {
			b.do(chromedp.KeyEvent("\t"))
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
