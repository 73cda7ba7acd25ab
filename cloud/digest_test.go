package cloud_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/wire"
)

// digestOf makes a Hello report the SHA-256 of a version's image.
func digestOf(version uint32) func(*wire.Hello) {
	return func(h *wire.Hello) { h.Digest = sha256.Sum256(cloudtest.Image(version, imageSize)) }
}

func TestOnlyTheImagesDigestConfirms(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		label uint32 // that the device says after the update to 8
		hello func(*wire.Hello)
		state string
		text  string // part of the update's text
		alert string
		why   string // part of the Welcome's
	}{
		{"the image's digest", 8, digestOf(8), "confirmed", "", "", "default"},
		{"no digest", 8, func(*wire.Hello) {}, "confirmed", "by version only", "", "default"},
		{"the image's digest under another label", 7, digestOf(8), "confirmed", "", "label_mismatch", "default"},
		{"another digest", 8, digestOf(9), "failed", "with other bytes than were uploaded", "digest_differs", "cooling down"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := serve(t, func(c *cloud.Config) { c.OTA.CoolDown = []time.Duration{time.Hour} })
			w.UploadVersions(imageSize, 8)
			w.ReleaseVersion(8)
			c := w.Enroll("a")[0]
			d := w.Dial(c)
			d.Hello(7, boot(1))
			d.ReceiveOffer()
			d = w.Dial(c)
			welcome := d.Hello(row.label, boot(2), row.hello)
			if !strings.Contains(welcome.Why, row.why) {
				t.Errorf("got welcome %+v, want %q", welcome, row.why)
			}
			u := cloudtest.Must[[]api.Update](t)(w.DeviceUpdates(t.Context(), "a"))
			if len(u) != 1 || u[0].State != row.state || !strings.Contains(u[0].Text, row.text) {
				t.Errorf("got history %+v, want %s, %q", u, row.state, row.text)
			}
			names := alertNames(w)
			if row.alert == "" && len(names) > 0 || row.alert != "" && names[row.alert] != 1 {
				t.Errorf("got alerts %v, want %q", names, row.alert)
			}
		})
	}
}
