//go:build browser

package cloud_test

import (
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

// open visits a page and waits until it listens; kept tells later that it is still the
// same page.
func (b *browser) open(path string) {
	b.Helper()
	b.visit(path)
	b.shows("body[data-listens]")
	evaluate[bool](b, `window.kept = true`)
}

// kept checks that nothing has loaded the page anew.
func (b *browser) kept() {
	b.Helper()
	if !evaluate[bool](b, `window.kept === true`) {
		b.Error("the page was loaded anew")
	}
}

// holds is what an expression of the page's becomes true with.
func (b *browser) holds(expression string) {
	b.Helper()
	cloudtest.Until(b, expression, func() bool { return evaluate[bool](b, expression) })
}

func TestConsoleDevicePageFollowsItsDevice(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.CoolDown = []time.Duration{time.Hour} }) // no second try, which begins with a Welcome
	w.UploadVersions(imageSize, 1, 2)
	device := w.Enroll("a")[0]
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.open("/p/lamp/device/a")
	const state = `document.querySelector("#head .state").textContent == `
	b.holds(state + `"offline"`)
	d := w.Dial(device)
	d.Hello(1)
	b.holds(state + `"online"`)
	b.sees("Nothing is released for it")
	w.ReleaseVersion(2, cloudtest.Intelligent)
	o := d.ReceiveOffer()
	b.sees("offered")
	b.shows("#live progress")
	d.Report(o, wire.ReportFailed, wire.ReasonStorage)
	b.sees("storage error (6)")
	b.holds(`document.querySelectorAll("#history li.bad").length > 0`)
	d.SendMessage("greeting", "hello there")
	b.sees("hello there")
	cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Name: "blink", Message: api.Payload(`1`)}))
	b.sees("blink waits")
	done := wire.Topic{Speaker: "a", Kind: wire.TopicDone, Number: d.Receive(wire.TopicCommand).Topic.Number}.String()
	d.WaitAck(cloudtest.Must[uint16](t)(d.Publish(done, 1, []byte(`"bright"`))), func(cloudtest.Message) {})
	b.sees("bright")
	_ = d.Close()
	b.holds(state + `"offline"`)
	b.kept()
	b.shot("live-device-followed")
}

func TestConsoleReleaseIsFollowedToItsEnd(t *testing.T) {
	w := serve(t)
	f := widgets(t, w, 4)
	w.UploadVersions(imageSize, 2)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.open("/p/lamp/firmware/2")
	b.sees("No device should run it")
	w.ReleaseVersion(2, cloudtest.Intelligent)
	cloudtest.WaitForVersion(t, f, 2)
	b.sees("4 of 4 devices that should run it do")
	b.kept()
	b.shot("live-version")
}

// Every download of a release stops with the press, hours before it would be through, and
// the page says so.
func TestConsoleStopEndsEveryDownload(t *testing.T) {
	const n = 100
	w := serve(t, func(c *cloud.Config) { c.Rate = 64 << 10 })
	widgets(t, w, n)
	w.UploadVersions(4<<20, 2)
	b, other := browse(t, w), browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	other.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	w.ReleaseVersion(2, cloudtest.Intelligent)
	cloudtest.Until(t, "all download", func() bool { return w.Cloud.OTA().Stats().Running == n })
	other.open("/p/lamp/fleet")
	other.sees(fmt.Sprintf("The first 25 of %d", n))
	b.open("/p/lamp/firmware/2")
	b.sees("Stop updates to 2 now")
	pressed := time.Now()
	b.click("#stop")
	cloudtest.Until(t, "no download runs", func() bool { return w.Cloud.OTA().Stats().Running == 0 })
	t.Logf("%d updates stopped %s after the press", n, time.Since(pressed))
	b.sees(fmt.Sprintf("Stopped %d updates to version 2", n))
	other.holds(`document.querySelector("#live .figure:last-child") && !document.getElementById("stop-all")`)
	other.sees(fmt.Sprintf("stopped %d", n))
	other.kept()
	other.shot("live-fleet-stopped")
}

func TestConsoleFleetPageCountsWhatOneMaySee(t *testing.T) {
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
	owner.open("/p/lamp/fleet")
	viewer.open("/p/lamp/fleet")
	owner.shows("#chart canvas")
	owner.shows("#rates canvas")
	w.ReleaseVersion(2)
	for id, reason := range map[fleet.DeviceID]fleet.ReasonCode{"seen": wire.ReasonStorage, "hidden": wire.ReasonDigest} {
		devices[id].Hello(1)
		devices[id].Report(devices[id].ReceiveOffer(), wire.ReportFailed, reason)
	}
	owner.sees("storage error 1 1")
	owner.sees("digest differs 1 1")
	owner.sees("failed 2")
	viewer.sees("storage error 1")
	viewer.sees("failed 1")
	if text := evaluate[string](viewer, `document.body.innerText`); strings.Contains(text, "digest differs") || strings.Contains(text, "Handshakes per second") {
		t.Error("the viewer is told about devices they can't see")
	}
	owner.kept()
	viewer.kept()
	owner.shot("live-fleet-owner")
	viewer.shot("live-fleet-viewer")
}

// Each hears what happens to the devices they see, at this moment: the hidden device
// speaks first, so that the page had time to show what it must not.
func TestConsoleEventsAreTheirsWhoSeeTheDevice(t *testing.T) {
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
		b.open("/events")
		b.sees("Nothing has happened yet")
	}
	owner.shot("events-empty")
	for _, id := range []fleet.DeviceID{"secret", "beta-1", "open"} {
		devices[id].Hello(1)
		devices[id].SendMessage("greeting", "hello")
	}
	const rows = `[...document.querySelectorAll("[data-feed] tbody .id")].map(a => a.textContent)`
	for who, c := range map[*browser]string{owner: "open beta-1 secret", editor: "open beta-1", viewer: "open"} {
		who.holds(`(` + rows + `).filter(id => id == "open").length == 2`)
		heard := map[string]bool{}
		for _, id := range evaluate[[]string](who, rows) {
			heard[id] = true
		}
		for _, id := range strings.Fields("open beta-1 secret") {
			if heard[id] != strings.Contains(c, id) {
				t.Errorf("%s: heard of %s is %t", c, id, heard[id])
			}
		}
		who.kept()
	}
	owner.shot("events")
	owner.phone(true)
	owner.shot("phone-events")
	owner.phone(false)

	owner.press("Pause")
	devices["open"].SendMessage("greeting", "while paused")
	owner.sees("Go on (1 new)")
	owner.click("#pause")
	owner.holds(`document.querySelector("[data-feed] tbody tr code").textContent == "muster/message"`)

	owner.open("/events?prefix=muster%2Fhand&product=lamp&device=open")
	devices["secret"].Hello(1)
	devices["open"].SendMessage("greeting", "not wanted")
	devices["open"].Hello(1)
	owner.sees("muster/handshake")
	if n := evaluate[float64](owner, `document.querySelectorAll("[data-feed] tbody tr").length`); n != 1 {
		t.Errorf("the filter lets %v events through, want 1", n)
	}
}

func TestConsoleMessagesComeWithoutReload(t *testing.T) {
	w := serve(t)
	devices := map[fleet.DeviceID]*cloudtest.Device{}
	for _, c := range w.Enroll("a", "b") {
		devices[c.ID] = w.Dial(c)
	}
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.open("/messages?device=a")
	b.sees("No message matches")
	devices["b"].SendMessage("noise", "of the other")
	devices["a"].SendMessage("greeting", "first words")
	b.sees("first words")
	if strings.Contains(evaluate[string](b, `document.body.innerText`), "of the other") {
		t.Error("the filter is forgotten")
	}
	for i := range 40 { // so that there is something to scroll
		devices["a"].SendMessage("count", fmt.Sprint("number ", i))
	}
	b.sees("number 39")
	evaluate[bool](b, `scrollTo(0, 600) === undefined`)
	at := evaluate[float64](b, `document.querySelector("[data-row]").getBoundingClientRect().top`)
	for i := range 3 {
		devices["a"].SendMessage("late", fmt.Sprint("late ", i))
	}
	b.sees("3 new · Show")
	b.shot("messages-new")
	if now := evaluate[float64](b, `document.querySelector("[data-row]").getBoundingClientRect().top`); now != at {
		t.Errorf("the page jumped while it was read: from %v to %v", at, now)
	}
	b.click("#news")
	b.sees("late 2")
	b.kept()
}

func TestConsoleAlertsComeWithoutReload(t *testing.T) {
	w := serve(t)
	d := w.Dial(w.Enroll("a")[0])
	b, other := browse(t, w), browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	other.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.open("/alerts")
	other.open("/alerts")
	b.sees("All quiet")
	d.WaitAck(d.Send(wire.TopicAlert, 1, wire.Alert{Type: 7, Text: "too hot"}.Encode()), func(cloudtest.Message) {})
	b.sees("too hot")
	other.sees("too hot")
	b.press("Archive")
	b.sees("Archived.")
	other.sees("All quiet")
	other.kept()
}

// What changes while a button is held down waits: the browser makes no click of a press and
// a release on two different buttons, and the reader would have pressed in vain.
func TestConsolePressOutlastsWhatChangesBelowIt(t *testing.T) {
	w := serve(t)
	w.UploadVersions(imageSize, 1)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.open("/p/lamp/firmware")
	at := evaluate[map[string]float64](b, `(() => {
		addEventListener("htmx:beforeSwap", () => { window.answered = true; });
		const box = document.querySelector('a[aria-label="Release version 1"]').getBoundingClientRect();
		return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
	})()`)
	b.do(chromedp.MouseEvent(chromedp.MousePressed, at["x"], at["y"], chromedp.ButtonLeft, chromedp.ClickCount(1)))
	evaluate[bool](b, `(window.answered = false) || refresh() === undefined`)
	b.holds(`window.answered`)
	b.do(chromedp.MouseEvent(chromedp.MouseReleased, at["x"], at["y"], chromedp.ButtonLeft, chromedp.ClickCount(1)))
	b.sees("Deliver immediately")
}

// hidden has the page believe that its tab went to the back, or came to the front.
func (b *browser) hidden(yes bool) {
	b.Helper()
	evaluate[bool](b, fmt.Sprintf(`Object.defineProperty(document, "hidden", {value: %t, configurable: true}) && document.dispatchEvent(new Event("visibilitychange"))`, yes))
}

func TestConsoleHiddenPageDoesNotListenAndCatchesUp(t *testing.T) {
	w := serve(t)
	device := w.Enroll("a")[0]
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.open("/p/lamp/device/a")
	b.hidden(true)
	cloudtest.Until(t, "nobody listens", func() bool { return w.Metric("muster_event_listeners") == 0 })
	w.Dial(device).Hello(1)
	b.hidden(false)
	b.holds(`document.querySelector("#head .state").textContent == "online"`)
	b.kept()
}

// A session that ends takes its open pages along, wherever it was ended.
func TestConsoleStreamEndsWithItsSession(t *testing.T) {
	w := serve(t)
	device := w.Enroll("a")[0]
	owner := fleet.Actor{User: 1, Team: 1, Role: fleet.Owner}
	for name, c := range map[string]struct {
		role fleet.Role
		end  func(b *browser)
	}{
		"signed out in another tab": {fleet.Editor, func(b *browser) { evaluate[bool](b, `!!fetch("/sign-out", {method: "POST"})`) }},
		"removed from the team": {fleet.Viewer, func(*browser) {
			if err := w.Cloud.Accounts().RemoveMember(t.Context(), owner, "viewer@example.com"); err != nil {
				t.Fatal(err)
			}
			w.Dial(device).Hello(1) // a right is read anew when there is something to hear
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.member(t, c.role)
			b.open("/p/lamp/device/a")
			c.end(b)
			b.shows("[name=password]")
		})
	}
}

// For people to look at: the live pages by day, by night and on a phone, while much goes on.
func TestConsoleLivePagesHaveTheirPicturesTaken(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.Rate = 2 << 20 })
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
	for _, p := range []pageSeen{{"/p/lamp/fleet", "Stop all of them now"}, {"/p/lamp/firmware/2", "Stop updates to 2 now"}, {"/p/lamp/device/widget-0001", "attempt 1"}, {"/alerts", "exhausted"}} {
		b.open(p.path)
		b.sees(p.says)
		name := "look" + strings.ReplaceAll(p.path, "/", "-")
		b.shot(name)
		b.phone(true)
		b.shot(name + "-phone")
		b.phone(false)
	}
	b.open("/p/lamp/fleet")
	b.shows("#rates canvas")
	f.Rehello()
	b.holds(`drawn.chart.chart.data[0].length > 1`)
	b.shot("look-fleet-later")
	b.prefers("dark")
	b.open("/p/lamp/fleet")
	b.shows("#rates canvas")
	b.shot("look-fleet-dark")
	b.open("/events")
	f.Rehello()
	b.sees("muster/handshake")
	b.shot("look-events-dark")
}
