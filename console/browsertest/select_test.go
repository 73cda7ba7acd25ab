//go:build browser && !race

package browsertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// A selection lasts over the pages of a list, also a range of it.
func TestASelectionLastsOverPages(t *testing.T) {
	w := serve(t)
	var ids []fleet.DeviceID
	for i := range 60 {
		ids = append(ids, fleet.DeviceID(fmt.Sprintf("lamp-%04d", i)))
	}
	w.Enroll(ids...)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/devices")
	b.click(`input[value="lamp-0001"]`)
	evaluate[bool](b, `document.querySelector('input[value="lamp-0003"]').dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true, shiftKey: true}))`)
	b.waitText("3 devices selected")
	b.press("Last")
	b.waitText("51–60 of 60")
	b.click(`input[value="lamp-0055"]`)
	b.waitText("4 devices selected, 3 on other pages")
	b.shot("selection")
	b.press("First")
	b.waitUntil(`[...document.querySelectorAll("[name=device]:checked")].map((box) => box.value).join(" ") == "lamp-0001 lamp-0002 lamp-0003"`)
	clickInBar(b, "Edit groups")
	b.waitText("Edit groups of 4 devices")
	b.visit("/p/lamp/devices")
	b.waitText("4 devices selected")
	clickInBar(b, "Clear selection")
	b.waitText("Select devices to change them")
}

// clickInBar clicks a button of the bar that sticks to the bottom, wherever that is: it moves
// while the rows above are refreshed.
func clickInBar(b *browser, text string) {
	b.Helper()
	evaluate[bool](b, fmt.Sprintf(`[...document.querySelectorAll("#bar button, #bar a")].find((e) => e.textContent.trim() === %q).click() === undefined`, text))
}

// The filter menu applies at once what was chosen, and its address has nothing empty.
func TestTheFilterMenuMakesAShortAddress(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/devices")
	b.click("#more-filters summary")
	b.waitVisible("#more-filters [name=kind]")
	b.fill("#more-filters [name=kind]", "Generic")
	b.click("#more-filters [name=col][value=hardware]")
	b.shots("filter-menu")
	b.click("#more-filters .primary")
	b.waitText("kind: Generic")
	if got := evaluate[string](b, `location.search`); got != "?product=lamp&kind=Generic&col=hardware" && got != "?kind=Generic&col=hardware" {
		t.Errorf("the address is %q", got)
	}
	if got := evaluate[string](b, `document.title`); got != "Devices: kind: Generic · Muster" {
		t.Errorf("the tab is titled %q", got)
	}
	b.shot("filtered")
	b.press("Clear all")
	b.waitUntil(`location.search == ""`)
}

// A page whose stream broke says since when its numbers stand.
func TestAPageWithoutItsStreamSaysSo(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/attention")
	evaluate[bool](b, `stream.close(), stream.onerror(), true`)
	b.waitText("UTC: not connected to the server. Trying again.")
	b.shot("stale")
	evaluate[bool](b, `listen() === undefined`)
	b.waitUntil(`document.getElementById("stale").hidden`)
	b.visit("/jobs")
	hover := `(time => { time.dispatchEvent(new MouseEvent("mouseover", { bubbles: true })); return time.title })(document.querySelector("time"))`
	zone := evaluate[string](b, `Intl.DateTimeFormat().resolvedOptions().timeZone`)
	if title := evaluate[string](b, hover); !strings.Contains(title, " UTC\n") || !strings.HasSuffix(title, " "+zone) {
		t.Errorf("a time shows %q on hover, want UTC and the time in %s", title, zone)
	}
	b.visit("/p/lamp/groups")
	evaluate[bool](b, `document.querySelector("form.fields").dispatchEvent(new CustomEvent("htmx:sendError", { bubbles: true }))`) // as of a request without an answer
	b.waitText("No answer from the server.")
}
