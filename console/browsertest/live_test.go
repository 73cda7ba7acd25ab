//go:build browser && !race

package browsertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

func TestDevicePageFollowsItsDevice(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour} }) // no second try, which begins with a Welcome
	w.UploadVersions(imageSize, 1, 2)
	device := w.Enroll("a")[0]
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/device/a")
	const state = `document.querySelector("#head .state").textContent == `
	b.waitUntil(state + `"offline"`)
	d := w.Dial(device)
	d.Hello(1)
	b.waitUntil(state + `"online"`)
	b.waitText("Nothing is released for it")
	w.ReleaseVersion(2, cloudtest.Intelligent)
	o := d.ReceiveOffer()
	b.waitText("offered")
	b.waitVisible("#live progress")
	d.Report(o, wire.ReportFailed, wire.ReasonStorage)
	b.waitText("storage error (6)")
	b.waitUntil(`document.querySelectorAll("#history li.bad").length > 0`)
	d.SendMessage("greeting", "hello there")
	b.waitText("hello there")
	cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Name: "blink", Message: api.Payload(`1`)}))
	b.waitText("blink queued")
	done := wire.Topic{Speaker: "a", Kind: wire.TopicDone, Number: d.Receive(wire.TopicCommand).Topic.Number}.String()
	d.WaitAck(cloudtest.Must[uint16](t)(d.Publish(done, 1, []byte(`"bright"`))), func(cloudtest.Message) {})
	b.waitText("bright")
	_ = d.Close()
	b.waitUntil(state + `"offline"`)
	b.verifyNotReloaded()
	b.shot("live-device-followed")
}

func TestReleaseIsFollowedToItsEnd(t *testing.T) {
	w := serve(t)
	f := widgets(t, w, 4)
	w.UploadVersions(imageSize, 2)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/firmware/2")
	b.waitText("It is not the target of any device")
	w.ReleaseVersion(2, cloudtest.Intelligent)
	cloudtest.WaitForVersion(t, f, 2)
	b.waitText("4 of 4 devices with this target run it")
	b.verifyNotReloaded()
	b.shot("live-version")
}

// Every download of a release stops with the press, hours before it would be through, and
// the page says so.
func TestStopEndsEveryDownload(t *testing.T) {
	const n = 100
	w := serve(t, func(c *cloud.Config) { c.OTA.Rate = 64 << 10 })
	widgets(t, w, n)
	w.UploadVersions(4<<20, 2)
	b, other := browse(t, w), browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	other.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	w.ReleaseVersion(2, cloudtest.Intelligent)
	cloudtest.Until(t, "all download", func() bool { return w.Cloud.OTA().Stats().Running == n })
	other.visitLive("/p/lamp/fleet")
	other.waitText(fmt.Sprintf("The first 25 of %d", n))
	b.visitLive("/p/lamp/firmware/2")
	b.click("#stop")
	b.waitText(fmt.Sprintf("Stop %d updates to version 2?", n))
	b.shot("stop-confirm")
	pressed := time.Now()
	b.click("#do")
	cloudtest.Until(t, "no download runs", func() bool { return w.Cloud.OTA().Stats().Running == 0 })
	t.Logf("%d updates stopped %s after the press", n, time.Since(pressed))
	b.waitText(fmt.Sprintf("%d of %d devices", n, n))
	other.waitUntil(`document.querySelector("#live .figure:last-child") && !document.getElementById("stop-all")`)
	other.waitText(fmt.Sprintf("stopped %d", n))
	other.verifyNotReloaded()
	other.shot("live-fleet-stopped")
}

func TestFleetPageCountsWhatOneMaySee(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	w.UploadVersions(imageSize, 2)
	w.EditDevice("widget-0002", api.DeviceUpdate{Lock: api.Some(cloudtest.Whole(2))})
	devices := map[fleet.DeviceID]*cloudtest.Device{}
	for _, c := range w.Enroll("seen", "hidden") {
		devices[c.ID] = w.Dial(c)
	}
	w.EditDevice("hidden", api.DeviceUpdate{Groups: api.Some(api.Names{"secretive"})})
	owner, viewer := browse(t, w), w.member(t, fleet.Viewer)
	owner.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	owner.visitLive("/p/lamp/fleet")
	viewer.visitLive("/p/lamp/fleet")
	owner.waitVisible("#chart canvas")
	owner.waitVisible("#rates canvas")
	w.ReleaseVersion(2)
	for id, reason := range map[fleet.DeviceID]fleet.ReasonCode{"seen": wire.ReasonStorage, "hidden": wire.ReasonDigest} {
		devices[id].Hello(1)
		devices[id].Report(devices[id].ReceiveOffer(), wire.ReportFailed, reason)
	}
	owner.waitText("storage error 1 1")
	owner.waitText("digest differs 1 1")
	owner.waitText("failed 2")
	viewer.waitText("storage error 1")
	viewer.waitText("failed 1")
	if text := evaluate[string](viewer, `document.body.innerText`); strings.Contains(text, "digest differs") || strings.Contains(text, "Handshakes per second") {
		t.Error("the viewer gets events of devices they can't see")
	}
	owner.verifyNotReloaded()
	viewer.verifyNotReloaded()
	owner.shot("live-fleet-owner")
	viewer.shot("live-fleet-viewer")
}

// Each hears what happens to the devices they see, at this moment: the hidden device
// speaks first, so that the page had time to show what it must not.
func TestEventsAreTheirsWhoSeeTheDevice(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	devices := map[fleet.DeviceID]*cloudtest.Device{}
	for _, c := range w.Enroll("secret", "open", "beta-1") {
		devices[c.ID] = w.Dial(c)
	}
	w.EditDevice("secret", api.DeviceUpdate{Groups: api.Some(api.Names{"secretive"})})
	w.EditDevice("beta-1", api.DeviceUpdate{Groups: api.Some(api.Names{"beta"})})
	owner, editor, viewer := browse(t, w), w.member(t, fleet.Editor, "beta"), w.member(t, fleet.Viewer)
	owner.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	for _, b := range []*browser{owner, editor, viewer} {
		b.visitLive("/events")
		b.waitText("No events yet")
	}
	owner.shot("events-empty")
	for _, id := range []fleet.DeviceID{"secret", "beta-1", "open"} {
		devices[id].Hello(1)
		devices[id].SendMessage("greeting", "hello")
	}
	const rows = `[...document.querySelectorAll("[data-feed] tbody .id")].map(a => a.textContent)`
	for who, c := range map[*browser]string{owner: "open beta-1 secret", editor: "open beta-1", viewer: "open"} {
		who.waitUntil(`(` + rows + `).filter(id => id == "open").length == 2`)
		heard := map[string]bool{}
		for _, id := range evaluate[[]string](who, rows) {
			heard[id] = true
		}
		for _, id := range strings.Fields("open beta-1 secret") {
			if heard[id] != strings.Contains(c, id) {
				t.Errorf("%s: heard of %s is %t", c, id, heard[id])
			}
		}
		who.verifyNotReloaded()
	}
	owner.shot("events")
	owner.phone(true)
	owner.shot("phone-events")
	owner.phone(false)

	owner.press("Pause")
	devices["open"].SendMessage("greeting", "while paused")
	owner.waitText("Resume (1 new)")
	owner.click("#pause")
	owner.waitUntil(`document.querySelector("[data-feed] tbody tr code").textContent == "muster/message"`)

	owner.visitLive("/events?prefix=muster%2Fhand&product=lamp&device=open")
	devices["secret"].Hello(1)
	devices["open"].SendMessage("greeting", "not wanted")
	devices["open"].Hello(1)
	owner.waitText("muster/handshake")
	if n := evaluate[float64](owner, `document.querySelectorAll("[data-feed] tbody tr").length`); n != 1 {
		t.Errorf("the filter lets %v events through, want 1", n)
	}
}

func TestMessagesComeWithoutReload(t *testing.T) {
	w := serve(t)
	devices := map[fleet.DeviceID]*cloudtest.Device{}
	for _, c := range w.Enroll("a", "b") {
		devices[c.ID] = w.Dial(c)
	}
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/messages?device=a")
	b.waitText("No messages match")
	devices["b"].SendMessage("noise", "of the other")
	devices["a"].SendMessage("greeting", "first words")
	b.waitText("first words")
	if strings.Contains(evaluate[string](b, `document.body.innerText`), "of the other") {
		t.Error("the filter is forgotten")
	}
	for i := range 40 { // so that there is something to scroll
		devices["a"].SendMessage("count", fmt.Sprint("number ", i))
	}
	b.waitText("number 39")
	evaluate[bool](b, `scrollTo(0, 600) === undefined`)
	at := evaluate[float64](b, `document.querySelector("[data-row]").getBoundingClientRect().top`)
	for i := range 3 {
		devices["a"].SendMessage("late", fmt.Sprint("late ", i))
	}
	b.waitText("3 new · Show")
	if now := evaluate[float64](b, `document.querySelector("[data-row]").getBoundingClientRect().top`); now != at {
		t.Errorf("the page jumped while it was read: from %v to %v", at, now)
	}
	b.shot("messages-new") // scrolls
	b.click("#news")
	b.waitText("late 2")
	b.verifyNotReloaded()
}

func TestAlertsComeWithoutReload(t *testing.T) {
	w := serve(t)
	d := w.Dial(w.Enroll("a")[0])
	b, other := browse(t, w), browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	other.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/alerts")
	other.visitLive("/alerts")
	b.waitText("No active alerts")
	d.WaitAck(d.Send(wire.TopicAlert, 1, wire.Alert{Type: 7, Text: "too hot"}.Encode()), func(cloudtest.Message) {})
	b.waitText("too hot")
	other.waitText("too hot")
	b.press("Archive")
	b.waitText("Archived.")
	other.waitText("No active alerts")
	other.verifyNotReloaded()
}

// What changes while a button is held down waits: the browser makes no click of a press and
// a release on two different buttons, and the reader would have pressed in vain.
func TestPressOutlastsWhatChangesBelowIt(t *testing.T) {
	w := serve(t)
	w.UploadVersions(imageSize, 1)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/firmware")
	at := evaluate[map[string]float64](b, `(() => {
		const box = document.querySelector('a[aria-label="Release version 1"]').getBoundingClientRect();
		return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
	})()`)
	b.do(chromedp.MouseEvent(chromedp.MousePressed, at["x"], at["y"], chromedp.ButtonLeft, chromedp.ClickCount(1)))
	b.waitAnswer(`refresh()`)
	b.do(chromedp.MouseEvent(chromedp.MouseReleased, at["x"], at["y"], chromedp.ButtonLeft, chromedp.ClickCount(1)))
	b.waitText("Deliver immediately")
}

// setHidden makes the page believe that its tab went to the back, or came to the front.
func (b *browser) setHidden(yes bool) {
	b.Helper()
	evaluate[bool](b, fmt.Sprintf(`Object.defineProperty(document, "hidden", {value: %t, configurable: true}) && document.dispatchEvent(new Event("visibilitychange"))`, yes))
}

func TestHiddenPageDoesNotListenAndCatchesUp(t *testing.T) {
	w := serve(t)
	device := w.Enroll("a")[0]
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/device/a")
	b.setHidden(true)
	cloudtest.Until(t, "nobody listens", func() bool { return w.Metric("muster_event_listeners") == 0 })
	w.Dial(device).Hello(1)
	b.setHidden(false)
	b.waitUntil(`document.querySelector("#head .state").textContent == "online"`)
	b.verifyNotReloaded()
}

// A session that ends takes its open pages along, wherever it was ended.
func TestStreamEndsWithItsSession(t *testing.T) {
	w := serve(t)
	device := w.Enroll("a")[0]
	for name, c := range map[string]struct {
		role fleet.Role
		end  func(b *browser)
	}{
		"signed out in another tab": {fleet.Editor, func(b *browser) { evaluate[bool](b, `!!fetch("/sign-out", {method: "POST"})`) }},
		"removed from the team": {fleet.Viewer, func(*browser) {
			if err := w.Cloud.Accounts().RemoveMember(t.Context(), owner, "viewer@example.com"); err != nil {
				t.Fatal(err)
			}
			w.Dial(device).Hello(1) // a right is read again when there is something to hear
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.member(t, c.role)
			b.visitLive("/p/lamp/device/a")
			c.end(b)
			b.waitVisible("[name=password]")
		})
	}
}

// waitAnswer runs a script and waits until the page has dealt with an answer to it.
func (b *browser) waitAnswer(script string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, cloudtest.Patience)
	defer cancel()
	wait := `new Promise((resolve) => { addEventListener("htmx:beforeSwap", () => resolve(true), { once: true }); ` + script + `; })`
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise)); err != nil {
		b.stuck(err)
	}
}

// For people to look at: the live pages by day, by night and on a phone, while much happens.
func TestLivePagesHaveTheirPicturesTaken(t *testing.T) {
	if !pictures {
		t.Skip("set MUSTER_SCREENSHOTS=1 to take pictures")
	}
	w := serve(t, func(c *cloud.Config) { c.OTA.Rate = 2 << 20 })
	f := widgets(t, w, 30)
	w.UploadVersions(8<<20, 2)
	w.UploadVersions(imageSize, 3)
	failing := w.Simulate(simulator.Config{Client: simulator.Light, Devices: w.Enroll("bad-1", "bad-2", "bad-3"), Faults: simulator.Faults{Corrupt: 1}})
	w.ReleaseVersion(3, cloudtest.Intelligent)
	cloudtest.WaitForVersion(t, f, 3)
	cloudtest.WaitOnline(t, failing)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	w.ReleaseVersion(2, cloudtest.Intelligent)
	for _, p := range []struct{ path, says string }{{"/p/lamp/fleet", "Stop all updates"}, {"/p/lamp/firmware/2", "Stop updates to 2"}, {"/p/lamp/device/widget-0001", "attempt 1"}, {"/alerts", "Alerts"}} {
		b.visitLive(p.path)
		b.waitText(p.says)
		name := "look" + strings.ReplaceAll(p.path, "/", "-")
		b.shot(name)
		b.phone(true)
		b.shot(name + "-phone")
		b.phone(false)
	}
	b.visitLive("/p/lamp/fleet")
	b.waitVisible("#rates canvas")
	f.Rehello()
	cloudtest.Until(t, "the chart has two moments", func() bool { return evaluate[bool](b, `drawn.chart.chart.data[0].length > 1`) })
	b.shot("look-fleet-later")
	b.prefers("dark")
	b.visitLive("/p/lamp/fleet")
	b.waitVisible("#rates canvas")
	b.shot("look-fleet-dark")
	b.visitLive("/events")
	f.Rehello()
	b.waitText("muster/handshake")
	b.shot("look-events-dark")
}
