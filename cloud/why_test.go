package cloud_test

import (
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/wire"
)

// Whatever the last Welcome refused an update for is a step of why that holds it back; and if the
// Welcome refused nothing, no step does.
func TestWhyNeverContradictsTheLastWelcome(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		hello  func(*wire.Hello)
		before func(*testing.T, *cloudtest.Server)
		refuse string // the Welcome's why; "": an Offer comes
	}{
		{"nothing stands in the way", func(*wire.Hello) {}, nil, ""},
		{"firmware of another product", func(h *wire.Hello) { h.Product = "gadget" }, nil, "runs firmware of product gadget"},
		{"an image that is too large", func(h *wire.Hello) { h.MaxImage = 1000 }, nil, "the image has 102400 bytes, the device stores up to 1000"},
		{"not now", func(h *wire.Hello) { h.UpdatesOn = false }, nil, `the device says "not now"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := serve(t)
			w.UploadVersions(imageSize, 1, 2)
			w.ReleaseVersion(2)
			d := w.Dial(w.Enroll("a")[0])
			welcome := d.Hello(1, row.hello)
			why := cloudtest.Must[api.Why](t)(w.Why(t.Context(), "a"))
			var held []string
			for _, step := range why.Steps {
				if step.Outcome == "holds it back" {
					held = append(held, step.Detail)
				}
			}
			if row.refuse == "" {
				if len(held) != 0 || welcome.Reason != wire.ReasonNone {
					t.Errorf("got held back by %v, refused %d", held, welcome.Reason)
				}
				return
			}
			if welcome.Why != row.refuse || !slices.Contains(held, row.refuse) {
				t.Errorf("the Welcome says %q, why is held back by %v; want %q", welcome.Why, held, row.refuse)
			}
		})
	}
}

func TestALockWithFlashNowWaitsForNoCoolDown(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour} })
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	d := w.Dial(w.Enroll("a")[0])
	d.Hello(1)
	d.Report(d.ReceiveOffer(), wire.ReportFailed, wire.ReasonStorage)
	version := cloudtest.Whole(2)
	w.EditDevice("a", api.DeviceUpdate{Lock: api.Some(version), Flash: true})
	if o := d.ReceiveOffer(); !o.Version.Equal(version.Version) {
		t.Errorf("got an offer of %s, want 2 at once", o.Version)
	}
}
