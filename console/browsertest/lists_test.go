//go:build browser && !race

package browsertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// buried are controls of the open menu that one can't press: outside of the window, or
// under something else, once they are scrolled to.
const buried = `[...document.querySelectorAll("main details.menu[open] .sheet :is(button, input, select)")].filter(e => {
	if (e.type === "hidden") return false;
	e.closest(".sheet").scrollTop = e.offsetTop - 60;
	scrollTo(0, scrollY + e.getBoundingClientRect().top - innerHeight / 2); // the window alone: a table is not for scrolling
	const r = e.getBoundingClientRect(), at = (x, y) => { const top = document.elementFromPoint(x, y); return top && (e === top || e.contains(top) || top.contains(e) && top.closest(".sheet")); };
	return !at(r.left + 2, r.top + r.height / 2) || !at(r.right - 2, r.top + r.height / 2) || r.left < 0 || r.right > innerWidth;
}).map(e => e.outerHTML.slice(0, 90))`

// A menu in a table is whole: nothing cuts it off, and all in it can be pressed.
func TestMenusAreNotCutOff(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	for path, menus := range map[string]string{
		"/team": "main td details.menu", "/team/programs": "main td details.menu", "/p/lamp/devices": "#group-filter", "/p/lamp/device/widget-0001": "#add-groups",
	} {
		b.visit(path)
		for _, look := range windows {
			b.setWindow(look)
			for i := range int(evaluate[float64](b, `document.querySelectorAll("`+menus+`").length`)) {
				evaluate[bool](b, `document.querySelectorAll("main details[open]").forEach(e => e.open = false) === undefined`)
				evaluate[bool](b, `window.menu = document.querySelectorAll("`+menus+`")[`+string(rune('0'+i))+`], menu.querySelector("summary").click(), menu.open`)
				if hidden := evaluate[[]string](b, buried); len(hidden) > 0 {
					t.Errorf("%s (%s), menu %d: can't be pressed: %q", path, look.name, i, hidden)
				}
				if broken := evaluate[[]string](b, spill); len(broken) > 0 {
					t.Errorf("%s (%s), menu %d: the page is wider than the window: %q", path, look.name, i, broken)
				}
			}
			b.shot("menu" + look.name + filename(path))
		}
	}
	b.setWindow(wide)
	b.visit("/team")
	b.click(`summary[aria-label="Edit viewer@example.com"]`)
	b.click(`details[open] input[value=beta]`)
	b.click(`details[open] .primary`)
	b.waitText("Saved viewer@example.com")
}

// Which devices failed is one click from where they are counted.
func TestCountsLeadToTheDevicesCounted(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour} })
	w.UploadVersions(imageSize, 1, 2)
	for _, c := range w.Enroll("good-1") {
		w.Dial(c).Hello(1)
	}
	w.ReleaseVersion(2)
	for _, c := range w.Enroll("z-first", "a-later") {
		d := w.Dial(c)
		d.Hello(1)
		d.Report(d.ReceiveOffer(), wire.ReportFailed, wire.ReasonStorage)
	}
	const listed = `[...document.querySelectorAll("table.devices .id")].map(e => e.textContent).join(" ")`
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/attention")
	b.waitText("the last attempt failed, another follows · Retry 2")
	b.shot("attention")
	b.visit("/p/lamp/devices")
	b.waitUntil(listed + ` == "a-later good-1 z-first"`)
	b.waitUntil(`[...document.querySelectorAll("tr")].find(r => r.textContent.includes("a-later")).textContent.includes("failed")`)
	b.shot("list-failed")
	b.visit("/p/lamp/fleet")
	b.waitUntil(`[...document.querySelectorAll("#wrong .id")].map(e => e.textContent).join(" ") == "a-later z-first"`)
	b.shot("fleet-wrong")
	b.click(`a[aria-label="2 devices, last update failed"]`)
	b.waitUntil(listed + ` == "a-later z-first"`)
	b.visit("/p/lamp/fleet")
	b.press("Show 2 devices")
	b.waitUntil(listed + ` == "a-later z-first"`)
	b.visit("/p/lamp/firmware/2")
	b.click(`a[aria-label="2 devices still to update: the last attempt failed, another follows"]`)
	b.waitText("still to update to version 2: the last attempt failed, another follows")
	b.waitUntil(listed + ` == "a-later z-first"`)
	b.click(`.chips a[aria-label^="Without the filter: still to update"]`)
	b.waitUntil(listed + ` == "a-later good-1 z-first" && !location.search.includes("left=")`)
	b.visit("/p/lamp/devices?update=wrong&to=1")
	b.waitText("No device matches")
}

func filename(path string) string {
	return strings.NewReplacer("/", "-", "?", "-", "=", "-", "&", "-").Replace(path)
}

// What a narrow window shows, in a list or a command to copy, is all there is to see:
// nothing stands beyond the right edge of a box.
func TestListsAndCommandsFitAPhone(t *testing.T) {
	const cut = `[...document.querySelectorAll("main .scroll, main pre, main .card")].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 80) + " " + e.scrollWidth + " in " + e.clientWidth)`
	w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour} })
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	devices := w.Enroll("a-device-with-quite-a-long-name-0001", "b", "quiet")
	for _, c := range devices[:2] {
		d := w.Dial(c)
		d.Hello(1)
		o := d.ReceiveOffer()
		if c.ID != "b" {
			d.Report(o, wire.ReportFailed, wire.ReasonStorage)
		}
		d.WaitAck(d.Send(wire.TopicAlert, 1, wire.Alert{Type: 7, Text: "the lamp is too hot to be touched"}.Encode()), func(cloudtest.Message) {})
		d.SendMessage("greeting", strings.Repeat("hello", 20))
	}
	cloudtest.Must[fleet.Product](t)(w.Cloud.Registry().CreateProduct(t.Context(), owner, fleet.Product{Name: "Empty", Slug: "empty"}))
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	for path, text := range map[string]string{
		"/alerts": "too hot", "/messages": "hello", "/p/lamp/fleet": "storage error", "/p/lamp/device/quiet": "mosquitto_pub",
		"/p/empty/devices": "muster simulate", "/p/empty/firmware": "muster firmware upload", "/team/programs": "curl", "/p/lamp/devices": "failed",
	} {
		b.visit(path)
		b.waitText(text)
		for _, look := range windows[2:] {
			b.setWindow(look)
			if broken := evaluate[[]string](b, cut); len(broken) > 0 {
				t.Errorf("%s (%s): cut off: %q", path, look.name, broken)
			}
		}
		b.shots("fits." + filename(path))
	}
}

// Fields next to each other stand at one height, and what is chosen together stays together.
func TestFormsAreAligned(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.setWindow(wide)
	const uneven = `new Set([...document.querySelectorAll("main form.fields > label:not(.span)")].map(e => Math.round(e.getBoundingClientRect().top))).size`
	for _, path := range []string{"/team/programs", "/p/lamp/group?name=beta"} {
		b.visit(path)
		if n := evaluate[float64](b, uneven); n != 1 {
			t.Errorf("%s: labels in a row begin at %v heights", path, n)
		}
	}
	b.visit("/p/lamp/devices")
	const rows = `new Set([...document.querySelectorAll(".order select, .order button")].map(e => Math.round(e.getBoundingClientRect().top + e.offsetHeight / 2))).size`
	if n := evaluate[float64](b, rows); n != 1 {
		t.Errorf("order and button stand on %v rows", n)
	}
	b.waitText("Show as")
	b.waitText("Sort by")
}

// An address is broken only where there is no room for it.
func TestAuditLogIsShort(t *testing.T) {
	w := serve(t)
	var ids []fleet.DeviceID
	for i := range 60 {
		ids = append(ids, fleet.DeviceID(fmt.Sprintf("widget-%04d", i)))
	}
	w.Enroll(ids...)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/team/audit")
	b.waitText("widget-0000, widget-0001, widget-0002 and 57 more")
	for _, look := range windows[:2] {
		b.setWindow(look)
		if lines := evaluate[float64](b, `document.querySelector(".audit td.break a").getClientRects().length`); lines != 1 {
			t.Errorf("%s stands on %v lines (%s)", cloudtest.OwnerEmail, lines, look.name)
		}
	}
	b.shots("audit-many")
	b.press("In full")
	b.waitText("widget-0058, widget-0059")
}

func TestTeamShowsNamesAndGroups(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	for path, shown := range map[string]string{
		"/team":          `[...document.querySelectorAll("ul.rows li")].find(e => e.textContent.includes("new@example.com")).innerText.includes("secretive")`,
		"/team/programs": `document.querySelector("td strong").textContent == "build-server"`,
	} {
		b.visit(path)
		for _, look := range windows {
			b.setWindow(look)
			b.waitUntil(shown)
			b.shot("named" + filename(path) + "." + look.name)
		}
	}
}
