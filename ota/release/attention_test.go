package release

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestADeviceNeedsAttentionForOneReason(t *testing.T) {
	t.Parallel()
	w := empty(t)
	for _, version := range []string{"1", "2"} {
		w.AddFirmware(version, 1000)
	}
	w.Default("2")
	since := w.Catalog().Revision
	last := func(state fleet.UpdateState, reason fleet.ReasonCode) func(*fleet.Device) {
		return func(d *fleet.Device) {
			d.Update = fleet.Update{State: state, From: v("1"), To: v("2"), Reason: reason}
			d.Attempts = fleet.Attempts{Target: v("2"), Since: since, Spent: 1}
		}
	}
	w.Device("right", "2", last(fleet.Confirmed, 0))
	w.Device("right again", "2", last(fleet.Failed, 4))
	w.Device("never", "", func(*fleet.Device) {})
	w.Device("behind", "1")
	w.Device("running", "1", last(fleet.Downloading, 0))
	w.Device("failed", "1", last(fleet.Failed, 4))
	w.Device("exhausted", "1", last(fleet.RolledBack, 7), func(d *fleet.Device) { d.Attempts.Spent = 3 })
	w.Device("held", "1", last(fleet.Stopped, 0), func(d *fleet.Device) { d.Attempts.Held = true })
	w.Device("not_now", "1", func(d *fleet.Device) { d.UpdatesOn = false })
	w.Device("disabled", "1", func(d *fleet.Device) { d.Disabled = true })
	w.Device("development", "1", last(fleet.Failed, 4), func(d *fleet.Device) { d.Development = true })
	counts, err := w.Attention(t.Context(), admin, product)
	if err != nil {
		t.Fatal(err)
	}
	for _, concern := range fleet.Concerns {
		if counts[concern] != 1 {
			t.Errorf("%s: got %d devices, want 1", concern, counts[concern])
		}
		where, err := w.Concerned(t.Context(), admin, product, concern)
		if err != nil {
			t.Fatal(err)
		}
		page, err := w.Store.Index.Find(fleet.DeviceQuery{Actor: admin, Product: product, Where: where, Limit: 10})
		if got := fmt.Sprint(page.IDs); err != nil || got != "["+string(concern)+"]" {
			t.Errorf("%s: got %s, error %v", concern, got, err)
		}
	}
	for reason, want := range map[fleet.ReasonCode]string{0: "[exhausted failed held]", 4: "[failed]", 7: "[exhausted]", 9: "[]"} {
		where, err := w.Wrong(t.Context(), admin, product, reason)
		if err != nil {
			t.Fatal(err)
		}
		page, err := w.Store.Index.Find(fleet.DeviceQuery{Actor: admin, Product: product, Where: where, Limit: 10})
		if got := fmt.Sprint(page.IDs); err != nil || got != want {
			t.Errorf("reason %d: got %s, error %v; want %s", reason, got, err, want)
		}
	}
	standing, err := w.Standing(t.Context(), admin, product)
	if got, want := fmt.Sprint(standing.Reasons), "map[4:1 7:1]"; err != nil || got != want {
		t.Errorf("reasons of failures: got %s, error %v; want %s, without the device that is right again", got, err, want)
	}
}
