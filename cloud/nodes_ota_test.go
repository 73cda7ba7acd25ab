package cloud_test

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

// updatesReach is what an operator does about updates at a, for devices that are connected to b. It needs
// versions 1 and 2, of which none is the product default.
func updatesReach(t *testing.T, a, b *world) {
	ctx := t.Context()
	begin := func(name string) (fleet.DeviceID, simulator.Credential) {
		id := fleet.DeviceID(name)
		cred := a.Enroll(id)[0]
		a.EditDevice(id, api.DeviceUpdate{Groups: api.Some(api.Names{name})})
		return id, cred
	}
	download := func(d *cloudtest.Device) wire.Offer {
		d.Hello(1, noWindow)
		offer := d.ReceiveOffer()
		d.Report(offer, wire.ReportDownloading, 0)
		return offer
	}
	release := func(version uint32, group string, now bool) {
		a.ReleaseVersion(version, func(r *api.Release) {
			r.Groups, r.Intelligent = api.Some(api.Names{group}), now
		})
	}
	soon := func(t *testing.T, began time.Time) {
		t.Helper()
		if passed := time.Since(began); passed > within {
			t.Errorf("it took %v, want at most %v", passed, within)
		}
	}
	t.Run("immediate release", func(t *testing.T) {
		_, cred := begin("immediate")
		d := b.Dial(cred)
		d.Hello(1)
		release(2, "immediate", true)
		began := time.Now()
		d.ReceiveOffer()
		soon(t, began)
	})
	t.Run("release for the next handshake", func(t *testing.T) {
		id, cred := begin("later")
		d := b.Dial(cred)
		d.Hello(1)
		release(2, "later", false)
		a.EditDevice(id, api.DeviceUpdate{Name: api.Some("renamed")})
		if _, err := a.SendCommand(ctx, string(id), api.NewCommand{Name: "blink"}); err != nil {
			t.Fatal(err)
		}
		if _, m := d.Next(); m.Topic.Kind != wire.TopicCommand {
			t.Errorf("it got %v, want the command: nothing else was to be done at once", m.Topic)
		}
	})
	t.Run("locked during a download", func(t *testing.T) {
		id, cred := begin("locked")
		release(2, "locked", false)
		d := b.Dial(cred)
		download(d)
		a.EditDevice(id, api.DeviceUpdate{Lock: api.Some(cloudtest.Whole(1))})
		began := time.Now()
		d.Receive(wire.TopicStop)
		soon(t, began)
	})
	t.Run("locked, at once", func(t *testing.T) {
		id, cred := begin("locked-now")
		d := b.Dial(cred)
		d.Hello(1)
		cloudtest.Until(t, "the other server lists it as online", func() bool { return a.Online(id) })
		a.EditDevice(id, api.DeviceUpdate{Lock: api.Some(cloudtest.Whole(2)), Flash: true})
		began := time.Now()
		d.ReceiveOffer()
		soon(t, began)
	})
	t.Run("taken from its group during a download", func(t *testing.T) {
		id, cred := begin("regrouped")
		release(2, "regrouped", false)
		d := b.Dial(cred)
		download(d)
		if err := a.EditGroups(ctx, cloudtest.Lamp, []string{string(id)}, nil, []string{"regrouped"}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		d.Receive(wire.TopicStop)
		soon(t, began)
	})
	t.Run("retried", func(t *testing.T) {
		id, cred := begin("retried")
		release(2, "retried", false)
		d := b.Dial(cred)
		download(d)
		if err := a.StopUpdate(ctx, string(id)); err != nil {
			t.Fatal(err)
		}
		d.Receive(wire.TopicStop)
		if err := a.RetryUpdate(ctx, string(id)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		d.ReceiveOffer()
		soon(t, began)
	})
	t.Run("halted release", func(t *testing.T) {
		_, cred := begin("halted")
		f := cloudtest.Must[api.Firmware](t)(a.Release(ctx, cloudtest.Lamp, api.Release{
			Version: cloudtest.Whole(2), Groups: api.Some(api.Names{"halted"}), Plan: tenth(func(p *api.Plan) {
				p.Stages = p.Stages[1:]
				p.Stages[0].Hold = &api.Span{Duration: time.Hour} // it lasts until it is halted
			}),
		}))
		d := b.Dial(cred)
		download(d)
		a.act(f.Release.ID, "halt")
		began := time.Now()
		d.Receive(wire.TopicStop)
		soon(t, began)
	})
}
