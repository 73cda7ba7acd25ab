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

// One device among 20,000 is found by a part of its name, from any page. Those that the search finds
// have records; the index has all of them.
func TestOneDeviceAmongManyIsFoundByAPartOfItsName(t *testing.T) {
	w := serve(t)
	var found []fleet.NewDevice
	for i := range 20_000 {
		d := fleet.Device{ID: fleet.DeviceID(fmt.Sprintf("lamp-%05d", i)).In(1), Team: 1, Product: 1, Name: fmt.Sprintf("Floor %d room %da", i/100, i%100)}
		if strings.HasSuffix(d.Name, "7 room 12a") {
			found = append(found, fleet.NewDevice{ID: d.ID.String(), Name: d.Name})
			continue
		}
		w.Cloud.Store().Index.Put(&d)
	}
	cloudtest.Must[fleet.Imported](t)(w.Cloud.Registry().Import(t.Context(), owner, fleet.Import{Product: 1, Devices: found}))
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/team")
	b.fill(".find [name=q]", "7 room 12A")
	evaluate[bool](b, `document.querySelector(".find").requestSubmit() === undefined`)
	b.waitText("lamp-00712")
	b.waitText("“7 room 12A” in the id, name or notes")
	b.shot("found")
	b.press("lamp-01712")
	b.waitText("Floor 17 room 12a")
}

// onScreen is whether all of an element is on the first screen.
const onScreen = `(e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.top >= 0 && r.bottom <= innerHeight && r.right <= innerWidth; })`

// On call, with a phone: the alarm is on the first screen of whatever page opens, the release is a
// tap away, and what stops it is on its first screen.
func TestOnCallWithAPhone(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour}; c.OTA.Rate = 16 << 10 })
	w.UploadVersions(4<<20, 1, 2)
	w.ReleaseVersion(1)
	var lamps []*cloudtest.Device
	for _, c := range w.Enroll("lamp-0", "lamp-1", "lamp-2", "lamp-3", "lamp-4", "lamp-5") {
		d := w.Dial(c)
		d.Hello(1)
		lamps = append(lamps, d)
	}
	w.ReleaseVersion(2, cloudtest.Intelligent)
	b := browse(t, w)
	b.phone(true)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/groups")
	for _, d := range lamps[:3] {
		d.Report(d.ReceiveOffer(), wire.ReportFailed, wire.ReasonStorage)
	}
	evaluate[bool](b, `refresh() === undefined`) // the poll of a page that shows no devices
	b.waitText("3 devices failed to update")
	b.verifyNotReloaded()
	if !evaluate[bool](b, onScreen+`(document.querySelector(".alarm a"))`) || !evaluate[bool](b, onScreen+`(document.querySelector(".find input"))`) {
		t.Error("alarm or search are not on the first screen")
	}
	b.shot("phone-alarm")
	b.click(".alarm a")
	b.waitText("storage error")
	b.shot("phone-failing")
	b.visit("/p/lamp/device/lamp-5")
	b.waitVisible("#stop")
	if !evaluate[bool](b, onScreen+`(document.querySelector("#stop"))`) {
		t.Error("Stop is not on the first screen of a device")
	}
	b.shot("phone-stop-device")
	b.visit("/p/lamp/fleet")
	b.waitVisible("#stop-all")
	b.shot("phone-fleet")
	b.click("#stop-all")
	b.waitText("Stop 3 updates?")
	b.click("#do")
	b.waitText("3 of 3 devices")
	b.press("Resume them")
	b.waitText("Retry the updates of 3 devices?")
	b.shot("phone-resume")
	b.click("#do")
	b.waitText("Retry the updates of")
	b.waitText("3 of 3 devices")
}
