//go:build browser && !race

package browsertest

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// A bad release by a plan: chosen with the mouse, seen to halt, understood, taken back; then a good one
// reaches the devices that failed as well.
func TestABadReleaseIsNoticedUnderstoodAndTakenBack(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour} })
	w.UploadVersions(imageSize, 1)
	w.ReleaseVersion(1)
	var lamps []*cloudtest.Device
	for _, c := range w.Enroll("lamp-0", "lamp-1", "lamp-2", "lamp-3", "lamp-4", "lamp-5", "lamp-6", "lamp-7", "lamp-8", "lamp-9") {
		d := w.Dial(c)
		d.Hello(1)
		lamps = append(lamps, d)
	}
	w.UploadVersions(imageSize, 2)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/firmware/2/release")
	b.click("input[name=default]")
	b.click("input[name=now]")
	b.press("Next")
	b.waitText("Careful")
	b.shot("plan-once")
	b.click("button[value=careful]")
	b.waitVisible("[name=share]")
	b.shots("plan-careful")
	evaluate[int](b, `[...document.querySelectorAll("[name=share], [name=hold]")].map((field) => { field.value = ""; }).length`)
	b.fill("[aria-label='Share of stage 1']", "100 %")
	b.fill("[aria-label='Stage 1 is watched for']", "2d")
	b.fill("[name=sample]", "5")
	b.fill("[name=failures]", "20 %")
	b.press("Next: impact")
	b.waitText("Stage by stage")
	b.waitText("10 devices will receive an update")
	b.shots("plan-confirm")
	b.click("#rehearse")
	b.waitText("It agrees with the impact")
	b.shots("rehearsal")
	b.press("Back to the release")
	b.waitText("Stage by stage")
	b.tickAll()
	b.press("Begin the release")
	b.waitText("Release 1 of version 2 has begun.")
	b.shot("rollout-begun")
	for i, d := range lamps {
		o := d.ReceiveOffer()
		if i < 4 {
			d.Report(o, wire.ReportApplying, wire.ReasonNone)
			d.Hello(2)
		} else {
			d.Report(o, wire.ReportFailed, wire.ReasonStorage)
		}
	}
	b.waitText("it halts above 20 %")
	b.waitText("It runs on 4 devices")
	b.waitText("halted")
	b.shots("rollout-halted")
	b.visit("/p/lamp/failing")
	b.waitText("Release 1")
	b.shot("failing")
	b.visit("/p/lamp/releases")
	b.waitText("ended updates failed or were rolled back")
	b.shot("rollouts")
	b.press("Release 1")
	b.press("Take it back")
	b.waitText("back to version 1")
	b.shot("rollout-ask")
	b.tickAll()
	b.click("#do")
	b.waitText("Release 1 is reverting now.")
	for _, d := range lamps[:4] {
		d.Report(d.ReceiveOffer(), wire.ReportApplying, wire.ReasonNone)
		d.Hello(1)
	}
	b.waitText("reverted")
	b.shot("rollout-reverted")

	w.UploadVersions(imageSize, 3)
	b.visit("/p/lamp/firmware/3/release")
	b.click("input[name=default]")
	b.click("input[name=now]")
	b.press("Next")
	b.press("Next: impact")
	b.waitText("10 devices will receive an update")
	b.tickAll()
	b.press("Release this firmware")
	for _, d := range lamps {
		d.Report(d.ReceiveOffer(), wire.ReportApplying, wire.ReasonNone)
		d.Hello(3)
	}
	b.visit("/p/lamp/attention")
	b.waitText("None. Every device runs what it should run.")
	b.shot("rollout-good-after-bad")
}

// A release by a plan goes through its stages without a reload of the page.
func TestAReleaseIsFollowedLive(t *testing.T) {
	w := serve(t)
	f := widgets(t, w, 20)
	w.UploadVersions(imageSize, 2)
	plan := api.Plan{Stages: api.Stages{{Share: api.Percent{Share: 5000}, Approve: true}, {Share: api.Percent{Share: fleet.Whole}, Approve: true}}}
	w.ReleaseVersion(2, func(r *api.Release) { r.Plan = &plan })
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/releases/1")
	f.Rehello()
	b.waitText("it waits for approval")
	b.waitText("What happened")
	b.shot("rollout-waiting")
	b.verifyNotReloaded()
	b.press("Approve the next stage")
	b.waitText("It grows to 100 % of its devices")
	b.click("#do")
	b.waitText("Release 1 is running now.")
	evaluate[bool](b, `window.kept = true`)
	f.Rehello()
	b.waitText("20 of 20 devices in its share run it")
	b.verifyNotReloaded()
}
