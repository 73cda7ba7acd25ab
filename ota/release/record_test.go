package release

import (
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

func TestWhatOperatorsDoIsAuditedAndAnnounced(t *testing.T) {
	w := shop(t)
	w.Default("2")
	w.connect("plain", "1")
	title := "better"
	for _, do := range []func() error{
		func() error {
			return second(w.Upload(t.Context(), editor, fleet.Firmware{Product: product, Version: v("4"), Title: "four"}, strings.NewReader("image")))
		},
		func() error {
			return second(w.EditFirmware(t.Context(), admin, product, v("4"), fleet.FirmwareEdit{Title: &title}))
		},
		func() error { return w.DeleteFirmware(t.Context(), admin, product, v("4")) },
		func() error {
			return second(w.Release(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta)}))
		},
		func() error { return w.Stop(t.Context(), editor, "plain") },
		func() error { return w.Retry(t.Context(), editor, "plain") },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	for _, refused := range []error{
		w.DeleteFirmware(t.Context(), viewer, product, v("3")),
		w.Stop(t.Context(), viewer, "plain"),
		second(w.Release(t.Context(), viewer, product, fleet.ReleaseOrder{Version: v("3")})),
	} {
		if refused == nil {
			t.Error("a viewer may change firmware")
		}
	}
	want := []string{"firmware.create 4", "firmware.update 4", "firmware.delete 4", "firmware.release 3", "update.stop plain", "update.retry plain"}
	if got := w.audited(); !slices.Equal(got, want) {
		t.Errorf("audited: got %q, want %q", got, want)
	}
	if len(w.events) != 2 {
		t.Fatalf("got events %+v, want an upload and a release", w.events)
	}
	upload, release := w.events[0], w.events[1]
	if p := (event.FirmwareUploaded{Version: v("4")}); upload.Payload != p || upload.Team != team || upload.Product != product {
		t.Errorf("got %+v, want %+v of the product", upload, p)
	}
	if p := (event.FirmwareReleased{Version: v("3")}); release.Payload != p || !slices.Equal(release.Groups, []fleet.GroupID{beta}) || release.Wide {
		t.Errorf("got %+v, want %+v to those who see beta", release, p)
	}
}

func TestTheAuditLogHasWhatARecordWasBefore(t *testing.T) {
	w := shop(t)
	for _, title := range []string{"first", "second"} {
		if _, err := w.EditFirmware(t.Context(), admin, product, v("3"), fleet.FirmwareEdit{Title: &title}); err != nil {
			t.Fatal(err)
		}
	}
	page, _, err := w.audit.Page(t.Context(), admin, fleet.AuditQuery{Limit: 1})
	if err != nil || len(page) != 1 || !strings.Contains(page[0].Before, `"first"`) || !strings.Contains(page[0].After, `"second"`) {
		t.Errorf("got %+v, %v", page, err)
	}
}
