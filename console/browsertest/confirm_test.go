//go:build browser && !race

package browsertest

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Flashing asks first, chooses nothing by itself, and the page is true while it runs.
func TestFlashAsksFirstAndSaysWhatGoesOn(t *testing.T) {
	w := serve(t)
	w.UploadVersions(imageSize, 1, 4)
	w.ReleaseVersion(1)
	d := w.Dial(w.Enroll("lamp-1")[0])
	d.Hello(1)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visitLive("/p/lamp/device/lamp-1")
	b.waitText("Should run 1 up to date")
	if chosen := evaluate[string](b, `document.querySelector("#flash-form select").value`); chosen != "" {
		t.Errorf("version %s is chosen before anyone chose", chosen)
	}
	b.shot("flash-choose")
	b.fill("#flash-form select", "4")
	b.press("Flash")
	b.waitText("Send version 4 to lamp-1 once?")
	b.waitText("it returns to 1, its target, at a later handshake")
	b.waitText("Version 4 has never run on a device.")
	b.shots("flash-confirm")
	b.press("Send version 4")
	if !w.Record("lamp-1").Flash.IsZero() {
		t.Error("it is flashed although nobody said yes")
	}
	b.click("label.check input[required]")
	b.press("Send version 4")
	b.waitText("Version 4 is being sent once.")
	o := d.ReceiveOffer()
	b.waitText("Receiving 4 Flashed once by an operator; its target is 1")
	d.Report(o, wire.ReportApplying, wire.ReasonNone)
	b.waitText("applying version 4")
	b.waitText("Receiving 4")
	if evaluate[bool](b, `document.querySelector("#live").innerText.includes("up to date")`) {
		t.Error("it is called up to date while it is flashed")
	}
	b.shot("flash-applying")
}

func TestLockSaysWhatItDoes(t *testing.T) {
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.Dial(w.Enroll("lamp-1")[0]).Hello(2)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/device/lamp-1")
	b.fill("#lock-form select", "1")
	b.click("#lock-form [name=flash]")
	b.press("Lock")
	b.waitText("1 device will receive an update")
	b.waitText("Yes, send 1 device back to an older version")
	b.shot("lock-confirm")
	b.press("Lock to version 1")
	if !w.Record("lamp-1").Lock.IsZero() {
		t.Error("it is locked and restarts although nobody said yes")
	}
	b.tickAll()
	b.press("Lock to version 1")
	b.waitText("Locked to version 1")
}

func TestGroupIsDeletedAfterAYes(t *testing.T) {
	w := serve(t)
	hiddenGroup(t, w)
	w.UploadVersions(imageSize, 2)
	w.ReleaseVersion(2, func(r *api.Release) { r.Groups = api.Some(api.Names{"beta"}) })
	exists := func() bool {
		_, err := w.Cloud.Registry().Group(t.Context(), owner, 1, "beta")
		return !errors.Is(err, fleet.NotFound)
	}
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/group?name=beta")
	b.press("Delete this group")
	b.waitText("its release of version 2 ends")
	b.waitText("Yes, delete beta: 1 device leaves it")
	b.waitVisible("#delete-impact .impact")
	b.shot("group-delete")
	b.press("Delete beta")
	if !exists() {
		t.Error("it is deleted although nobody said yes")
	}
	b.click("details[open] input[required]")
	b.press("Delete beta")
	b.waitText("Deleted the group beta.")
	if exists() {
		t.Error("it is still there")
	}
}
