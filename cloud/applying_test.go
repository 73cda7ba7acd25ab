package cloud_test

import (
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

// The server is killed between *applying* and the Hello after it. Nothing of that makes a device
// that never fell back a rolled back one.
func TestAServerThatIsKilledAfterApplyingRecordsNoRollback(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		boot  uint64 // nonce of the boot that applies
		after func(t *testing.T, p *cloudtest.Process, c simulator.Credential)
	}{
		{"the device's library sends the stored Hello of the boot before once more", 1, func(t *testing.T, p *cloudtest.Process, c simulator.Credential) {
			d := cloudtest.Dial(t, p.Broker(), c)
			d.Hello(5, boot(2))
			if w := d.Hello(7, boot(1)); w.Again == 0 || !w.Target.IsZero() {
				t.Errorf("an earlier boot's Hello: got %+v, want no target and a time to repeat it", w)
			}
		}},
		{"the device without a boot nonce still waits for the PUBACK, over a new connection", 0, func(t *testing.T, p *cloudtest.Process, c simulator.Credential) {
			d := cloudtest.Dial(t, p.Broker(), c)
			if w := d.Hello(7); w.Reason != wire.ReasonNotNow || w.Again == 0 {
				t.Errorf("got %+v, want to be asked again", w)
			}
			d = cloudtest.Dial(t, p.Broker(), c)
			d.Hello(5)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := cloudtest.Spawn(t)
			owner := p.Owner()
			cloudtest.Must[api.Product](t)(owner.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp))
			cloudtest.UploadVersions(t, owner, 1000, 5, 7)
			c := cloudtest.Enroll(t, owner, "a")[0]
			cloudtest.Must[api.Firmware](t)(owner.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(5)}))

			d := cloudtest.Dial(t, p.Broker(), c)
			d.Hello(7, boot(row.boot))
			o := d.ReceiveOffer()
			d.Report(o, wire.ReportStored, wire.ReasonNone)
			d.Report(o, wire.ReportApplying, wire.ReasonNone)
			p.Kill()
			p.Start()
			row.after(t, p, c)

			updates := cloudtest.Must[[]api.Update](t)(p.Owner().DeviceUpdates(t.Context(), "a"))
			if len(updates) != 1 || updates[0].State != "confirmed" {
				t.Errorf("got history %+v, want one confirmed update", updates)
			}
		})
	}
}

func boot(nonce uint64) func(*wire.Hello) { return func(h *wire.Hello) { h.Boot = nonce } }
