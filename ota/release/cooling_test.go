package release

import (
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/wire"
)

// An act that changes no target sends nothing to a device that waits after a failed attempt:
// who acts has to see which devices those are, and until when.
func TestAnActNamesTheDevicesThatWaitAfterAFailedAttempt(t *testing.T) {
	w := shop(t)
	w.ReleaseTo(beta, "2")
	for _, id := range []fleet.DeviceID{"beta", "both"} {
		w.connect(id, "1").report(wire.ReportFailed, wire.ReasonDigest)
	}
	w.Edit("both", func(d *fleet.Device) { d.Attempts.NotBefore = d.Attempts.NotBefore.Add(-time.Hour) }) // it has waited
	w.connect("notnow", "1")
	again := fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta), Now: true}
	lock := func(id fleet.DeviceID, version string) fleet.Impact {
		impact, err := w.Preview(t.Context(), admin, product, []fleet.DeviceID{id}, func(e *fleet.IndexEntry) { e.Lock = v(version) })
		if err != nil {
			t.Fatal(err)
		}
		return impact
	}
	check := func(what string, c fleet.Cooling, want ...fleet.DeviceID) {
		t.Helper()
		var got []fleet.DeviceID
		for _, one := range c.First {
			got = append(got, one.Device)
			if wait := time.Until(one.Until); wait <= 4*time.Minute || wait > 5*time.Minute || !one.Until.Equal(c.Until) {
				t.Errorf("%s: %s waits for %s, the last until %s", what, one.Device, wait, c.Until)
			}
		}
		if !slices.Equal(got, want) || c.Devices != len(want) {
			t.Errorf("%s: got %+v, want %v", what, c, want)
		}
	}
	impact, err := w.Impact(t.Context(), admin, product, again)
	if err != nil {
		t.Fatal(err)
	}
	check("the impact of releasing again", impact.Cooling, "1/beta")
	if impact.Due != 1 {
		t.Errorf("got %d devices that an immediate release reaches, want 1", impact.Due)
	}
	released, err := w.Release(t.Context(), admin, product, again)
	if err != nil {
		t.Fatal(err)
	}
	check("the result of releasing again", released.Cooling, "1/beta")
	check("a lock to the same version", lock("beta", "2").Cooling, "1/beta")
	check("a lock to another version", lock("beta", "3").Cooling)
	check("a lock of one that has waited", lock("both", "2").Cooling)
	other, err := w.Impact(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta)})
	if err != nil {
		t.Fatal(err)
	}
	check("another version", other.Cooling)
	if err := w.Retry(t.Context(), admin, "beta"); err != nil {
		t.Fatal(err)
	}
	check("after a retry", lock("beta", "2").Cooling)
	if p := w.connect("beta", "1").decide(ota.AtChange); p.Refused != wire.ReasonNone {
		t.Errorf("after a retry it is refused: %s", p.Why)
	}
}
