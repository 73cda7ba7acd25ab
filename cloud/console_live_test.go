//go:build browser

package cloud

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/api"
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
	until(b, expression, func() bool { return evaluate[bool](b, expression) })
}

// message has the device say something.
func (r *raw) message(name, text string) {
	r.t.Helper()
	topic := wire.Topic{Speaker: r.id, Kind: wire.TopicMessage, Name: name}.String()
	r.acked(must[uint16](r.t)(r.Publish(topic, 1, []byte(text))), func(heard) {})
}

func (r *raw) offer() wire.Offer {
	r.t.Helper()
	return must[wire.Offer](r.t)(wire.DecodeOffer(r.hear(wire.TopicOffer).payload))
}

func (r *raw) report(o wire.Offer, state wire.ReportState, reason fleet.ReasonCode) {
	r.t.Helper()
	id := r.say(wire.TopicReport, 1, wire.Report{Image: o.Image(), State: state, Reason: reason}.Encode())
	r.acked(id, func(heard) {})
}

func TestConsoleDevicePageFollowsItsDevice(t *testing.T) {
	w := serve(t, func(c *Config) { c.CoolDown = []time.Duration{time.Hour} }) // no second try, which begins with a Welcome
	w.upload(imageSize, 1, 2)
	device := w.enroll("a")[0]
	b := browse(t, w)
	b.signIn(ownerEmail, ownerPassword)
	b.open("/p/lamp/device/a")
	const state = `document.querySelector("#head .state").textContent == `
	b.holds(state + `"offline"`)
	d := w.dial(device)
	d.hello(1)
	b.holds(state + `"online"`)
	b.sees("Nothing is released for it")
	w.release(2, atOnce)
	o := d.offer()
	b.sees("offered")
	b.shows("#live progress")
	d.report(o, wire.ReportFailed, wire.ReasonStorage)
	b.sees("storage error (6)")
	b.holds(`document.querySelectorAll("#history li.bad").length > 0`)
	d.message("greeting", "hello there")
	b.sees("hello there")
	must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Name: "blink", Message: api.Payload(`1`)}))
	b.sees("blink waits")
	done := wire.Topic{Speaker: "a", Kind: wire.TopicDone, Number: d.hear(wire.TopicCommand).topic.Number}.String()
	d.acked(must[uint16](t)(d.Publish(done, 1, []byte(`"bright"`))), func(heard) {})
	b.sees("bright")
	_ = d.Close()
	b.holds(state + `"offline"`)
	b.kept()
	b.shot("live-device-followed")
}

func TestConsoleReleaseIsFollowedToItsEnd(t *testing.T) {
	w := serve(t)
	f := widgets(t, w, 4)
	w.upload(imageSize, 2)
	b := browse(t, w)
	b.signIn(ownerEmail, ownerPassword)
	b.open("/p/lamp/firmware/2")
	b.sees("No device should run it")
	w.release(2, atOnce)
	arrive(t, f, 2)
	b.sees("4 of 4 devices that should run it do")
	b.kept()
	b.shot("live-version")
}

// Every download of a release stops with the press, hours before it would be through, and
// the page says so.
func TestConsoleStopEndsEveryDownload(t *testing.T) {
	const n = 100
	w := serve(t, func(c *Config) { c.Rate = 64 << 10 })
	widgets(t, w, n)
	w.upload(4<<20, 2)
	b, other := browse(t, w), browse(t, w)
	b.signIn(ownerEmail, ownerPassword)
	other.signIn(ownerEmail, ownerPassword)
	w.release(2, atOnce)
	until(t, "all download", func() bool { return w.cloud.ota.Stats().Running == n })
	other.open("/p/lamp/fleet")
	other.sees(fmt.Sprintf("The first 25 of %d", n))
	b.open("/p/lamp/firmware/2")
	b.sees("Stop updates to 2 now")
	pressed := time.Now()
	b.click("#stop")
	until(t, "no download runs", func() bool { return w.cloud.ota.Stats().Running == 0 })
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
	w.upload(imageSize, 2)
	w.edit("widget-0002", api.DeviceUpdate{Lock: api.Some(whole(2))})
	devices := map[fleet.DeviceID]*raw{}
	for _, c := range w.enroll("seen", "hidden") {
		devices[c.ID] = w.dial(c)
	}
	w.edit("hidden", api.DeviceUpdate{Groups: api.Some(api.Names{"secretive"})})
	owner, viewer := browse(t, w), w.member(t, fleet.Viewer)
	owner.signIn(ownerEmail, ownerPassword)
	owner.open("/p/lamp/fleet")
	viewer.open("/p/lamp/fleet")
	owner.shows("#chart canvas")
	owner.shows("#rates canvas")
	w.release(2)
	for id, reason := range map[fleet.DeviceID]fleet.ReasonCode{"seen": wire.ReasonStorage, "hidden": wire.ReasonDigest} {
		devices[id].hello(1)
		devices[id].report(devices[id].offer(), wire.ReportFailed, reason)
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
	devices := map[fleet.DeviceID]*raw{}
	for _, c := range w.enroll("secret", "open", "beta-1") {
		devices[c.ID] = w.dial(c)
	}
	w.edit("secret", api.DeviceUpdate{Groups: api.Some(api.Names{"secretive"})})
	w.edit("beta-1", api.DeviceUpdate{Groups: api.Some(api.Names{"beta"})})
	owner, editor, viewer := browse(t, w), w.member(t, fleet.Editor, "beta"), w.member(t, fleet.Viewer)
	owner.signIn(ownerEmail, ownerPassword)
	for _, b := range []*browser{owner, editor, viewer} {
		b.open("/events")
		b.sees("Nothing has happened yet")
	}
	owner.shot("events-empty")
	for _, id := range []fleet.DeviceID{"secret", "beta-1", "open"} {
		devices[id].hello(1)
		devices[id].message("greeting", "hello")
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
	devices["open"].message("greeting", "while paused")
	owner.sees("Go on (1 new)")
	owner.click("#pause")
	owner.holds(`document.querySelector("[data-feed] tbody tr code").textContent == "muster/message"`)

	owner.open("/events?prefix=muster%2Fhand&product=lamp&device=open")
	devices["secret"].hello(1)
	devices["open"].message("greeting", "not wanted")
	devices["open"].hello(1)
	owner.sees("muster/handshake")
	if n := evaluate[float64](owner, `document.querySelectorAll("[data-feed] tbody tr").length`); n != 1 {
		t.Errorf("the filter lets %v events through, want 1", n)
	}
}

func TestConsoleMessagesComeWithoutReload(t *testing.T) {
	w := serve(t)
	devices := map[fleet.DeviceID]*raw{}
	for _, c := range w.enroll("a", "b") {
		devices[c.ID] = w.dial(c)
	}
	b := browse(t, w)
	b.signIn(ownerEmail, ownerPassword)
	b.open("/messages?device=a")
	b.sees("No message matches")
	devices["b"].message("noise", "of the other")
	devices["a"].message("greeting", "first words")
	b.sees("first words")
	if strings.Contains(evaluate[string](b, `document.body.innerText`), "of the other") {
		t.Error("the filter is forgotten")
	}
	for i := range 40 { // so that there is something to scroll
		devices["a"].message("count", fmt.Sprint("number ", i))
	}
	b.sees("number 39")
	evaluate[bool](b, `scrollTo(0, 600) === undefined`)
	at := evaluate[float64](b, `document.querySelector("[data-row]").getBoundingClientRect().top`)
	for i := range 3 {
		devices["a"].message("late", fmt.Sprint("late ", i))
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
	d := w.dial(w.enroll("a")[0])
	b, other := browse(t, w), browse(t, w)
	b.signIn(ownerEmail, ownerPassword)
	other.signIn(ownerEmail, ownerPassword)
	b.open("/alerts")
	other.open("/alerts")
	b.sees("All quiet")
	d.acked(d.say(wire.TopicAlert, 1, wire.Alert{Type: 7, Text: "too hot"}.Encode()), func(heard) {})
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
	w.upload(imageSize, 1)
	b := browse(t, w)
	b.signIn(ownerEmail, ownerPassword)
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
	device := w.enroll("a")[0]
	b := browse(t, w)
	b.signIn(ownerEmail, ownerPassword)
	b.open("/p/lamp/device/a")
	b.hidden(true)
	listeners := func() int {
		e := w.cloud.conductor.events
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.listeners)
	}
	until(t, "nobody listens", func() bool { return listeners() == 0 })
	w.dial(device).hello(1)
	b.hidden(false)
	b.holds(`document.querySelector("#head .state").textContent == "online"`)
	b.kept()
}

// A session that ends takes its open pages along, wherever it was ended.
func TestConsoleStreamEndsWithItsSession(t *testing.T) {
	w := serve(t)
	device := w.enroll("a")[0]
	owner := fleet.Actor{User: 1, Team: 1, Role: fleet.Owner}
	for name, c := range map[string]struct {
		role fleet.Role
		end  func(b *browser)
	}{
		"signed out in another tab": {fleet.Editor, func(b *browser) { evaluate[bool](b, `!!fetch("/sign-out", {method: "POST"})`) }},
		"removed from the team": {fleet.Viewer, func(*browser) {
			if err := w.cloud.registry.RemoveMember(t.Context(), owner, "viewer@example.com"); err != nil {
				t.Fatal(err)
			}
			w.dial(device).hello(1) // a right is read anew when there is something to hear
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
	w := serve(t, func(c *Config) { c.Rate = 2 << 20 })
	f := widgets(t, w, 30)
	w.upload(8<<20, 2)
	w.upload(imageSize, 3)
	failing := w.simulate(simulator.Config{Client: simulator.Light, Devices: w.enroll("bad-1", "bad-2", "bad-3"), Faults: simulator.Faults{Corrupt: 1}})
	w.release(3, atOnce)
	arrive(t, f, 3)
	online(t, failing)
	b := browse(t, w)
	b.signIn(ownerEmail, ownerPassword)
	w.release(2, atOnce)
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
