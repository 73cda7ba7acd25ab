package cloud_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// ears are a listener of a server: what it has heard, as "event device".
type ears struct {
	mu    sync.Mutex
	heard []string // guarded by mu
}

// openEars listens with a client until the test ends.
func openEars(t *testing.T, c *client.Client) *ears {
	t.Helper()
	e := &ears{}
	opened := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	listening.Go(func() {
		_ = c.Listen(ctx, api.EventFilter{}, func() { close(opened) }, func(h api.Heard) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.heard = append(e.heard, h.Name+" "+h.CoreID)
			if h.Name == "spark/status" {
				e.heard = append(e.heard, h.Data+" "+h.CoreID)
			}
			return nil
		})
	})
	t.Cleanup(func() { cancel(); listening.Wait() })
	<-opened
	return e
}

// about is the set of what was heard about a device.
func (e *ears) about(device fleet.DeviceID) map[string]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := map[string]bool{}
	for _, what := range e.heard {
		if name, of, _ := strings.Cut(what, " "); of == string(device) {
			names[name] = true
		}
	}
	return names
}

// TestWhatHappensAtOneServerIsSeenLiveAtAnother: somebody listens and looks at a, the devices are at b.
func TestWhatHappensAtOneServerIsSeenLiveAtAnother(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	nodes := serveNodes(t, "unix://"+r.socket, 2)
	a, b := nodes[0], nodes[1]
	ctx := t.Context()
	a.UploadVersions(1<<20, 1, 2)
	creds := a.Enroll("hidden", "seen")
	for _, cred := range creds {
		a.EditDevice(cred.ID, api.DeviceUpdate{Groups: api.Some(api.Names{string(cred.ID)})})
	}
	owner := cloudtest.Must[fleet.Actor](t)(a.Cloud.Accounts().Actor(ctx, a.Token()))
	cloudtest.Must[fleet.Member](t)(a.Cloud.Accounts().AddUser(ctx, owner, "viewer@example.com", cloudtest.OwnerPassword, fleet.Viewer, []string{"seen"}))
	viewer, _, err := client.SignIn(ctx, a.URL(""), "viewer@example.com", cloudtest.OwnerPassword)
	if err != nil {
		t.Fatal(err)
	}

	missed := func(e *ears) int { return countOf(e, "muster/missed api") }
	all, some := openEars(t, a.Client), openEars(t, viewer)
	cloudtest.Until(t, "the other server knows that somebody listens", func() bool { return len(b.Cloud.Store().Relay.Wanted("t")) == 1 })
	want := map[string]bool{}
	for _, cred := range creds { // hidden first: what is heard of seen comes after all of it
		d := b.Dial(cred)
		d.Hello(1)
		d.SendMessage("note", "hot")
		d.WaitAck(d.Send(wire.TopicAlert, 1, wire.Alert{Type: 1, Text: "too hot"}.Encode()), func(cloudtest.Message) {})
		cloudtest.Until(t, "the listener's server lists it as online", func() bool { return a.Online(cred.ID) })
		if err := a.Flash(ctx, string(cred.ID), cloudtest.Whole(2)); err != nil {
			t.Fatal(err)
		}
		offer := d.ReceiveOffer()
		t.Run("the progress of a download of "+string(cred.ID), func(t *testing.T) { looksAtProgress(t, a, d, offer) })
		d.Report(offer, wire.ReportFailed, wire.ReasonDigest)
		_ = d.Close()
		cloudtest.Until(t, "it is heard that the device has left", func() bool { return all.about(cred.ID)["offline"] || missed(all) > 0 })
		want = all.about(cred.ID)
		if n := missed(all) + missed(some); n > 0 {
			t.Skipf("Redis or this machine had no time for seconds: it was heard %d times that something was missed, as it should be", n)
		}
		for _, name := range []string{"online", "auto-update", "muster/handshake", "muster/message", "muster/alert", "muster/update", "spark/flash/status"} {
			if !want[name] {
				t.Errorf("%s: %s was not heard, only %v", cred.ID, name, want)
			}
		}
	}
	cloudtest.Until(t, "who sees the device hears the same", func() bool { return maps.Equal(some.about("seen"), want) || missed(some) > 0 })
	if heard := some.about("hidden"); len(heard) > 0 {
		t.Errorf("who does not see the device hears %v", heard)
	}

	before, beforeToo := missed(all), missed(some)
	r.do("CLIENT PAUSE 4000") // longer than a trip may take
	cloudtest.Until(t, "who was cut off from Redis hears of it", func() bool { return missed(all) > before && missed(some) > beforeToo })
}

// countOf counts what was heard.
func countOf(e *ears, what string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, heard := range e.heard {
		if heard == what {
			n++
		}
	}
	return n
}

// looksAtProgress asks a for a download at another server, whose device has half of the image.
func looksAtProgress(t *testing.T, a *world, d *cloudtest.Device, offer wire.Offer) {
	ctx, half := t.Context(), offer.Count/2
	bytes := int64(half) * int64(offer.Chunk)
	d.Send(wire.TopicWant, 0, wire.Want{Image: offer.Image(), First: half, Count: 1, Chunk: offer.Chunk}.Encode())
	cloudtest.Until(t, "its updates say how far it is", func() bool {
		u := cloudtest.Must[[]api.Update](t)(a.DeviceUpdates(ctx, string(d.ID)))
		return len(u) == 1 && u[0].State == "downloading" && u[0].Received == bytes
	})
	list := cloudtest.Must[api.Page[api.Update]](t)(a.Updates(ctx, cloudtest.Lamp, api.UpdateFilter{States: []string{"offered", "downloading"}}))
	if len(list.Items) != 1 || list.Items[0].Received != bytes {
		t.Errorf("the list of updates has %+v", list.Items)
	}
	why := fmt.Sprintf("%+v", cloudtest.Must[api.Why](t)(a.Why(ctx, string(d.ID))))
	if !strings.Contains(why, fmt.Sprint(bytes)) {
		t.Errorf("why does not say how far it is: %s", why)
	}
}

// TestDevicesOfEveryServerDecideAboutARelease: they are connected to the one that does not lead.
func TestDevicesOfEveryServerDecideAboutARelease(t *testing.T) {
	t.Parallel()
	nodes := serveNodes(t, "unix://"+startRedis(t).socket, 2)
	leader, other := nodes[0], nodes[1]
	cloudtest.Until(t, "one of them leads", func() bool {
		if other.Cloud.Store().Nodes().Holds("releases") {
			leader, other = other, leader
		}
		return leader.Cloud.Store().Nodes().Holds("releases")
	})
	devices := other.fleetOf(30)
	plan := tenth(func(p *api.Plan) {
		p.Stages[0].Share, p.Stages[0].Hold = percent(5000), &api.Span{Duration: time.Minute}
		p.Halt = &api.PlanHalt{Unhealthy: &api.Bar{Bar: fleet.Bar{Devices: 2}}}
	})
	f := cloudtest.Must[api.Firmware](t)(other.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: plan}))
	id := f.Release.ID
	in, _ := inside(devices, fleet.ProductID(f.ProductID), id, 5000)
	if len(in) < 3 {
		t.Fatalf("%d inside", len(in))
	}
	cloudtest.Until(t, "each server knows that the other one judges the release", func() bool {
		return len(other.Cloud.Store().Relay.Wanted("h")) == 1 && len(leader.Cloud.Store().Relay.Wanted("h")) == 1
	})
	for _, device := range in[:2] {
		d := devices[device]
		finish(d, greet(d, 1, wire.TopicWelcome, wire.TopicOffer), true)
		greet(d, 2, wire.TopicWelcome)
	}
	d := devices[in[0]]
	d.WaitAck(d.Send(wire.TopicAlert, 1, wire.Alert{Type: 1, Text: "too hot"}.Encode()), func(cloudtest.Message) {})
	for range 4 {
		greet(devices[in[1]], 2, wire.TopicWelcome)
	}
	if halted := other.until(id, fleet.ReleaseHalted); !strings.HasPrefix(halted.Why, "2 of 2 updated devices are unhealthy") {
		t.Errorf("it halted because %s", halted.Why)
	}
}

// greet says Hello and waits for messages of some kinds, in any order: a server that has just joined looks at all its
// devices, which may get an Offer before they ask. It returns the last Offer.
func greet(d *cloudtest.Device, version uint32, kinds ...wire.TopicKind) (offer wire.Offer) {
	h := wire.NewHello(fleet.WholeVersion(version))
	h.Boot = uint64(version)
	noWindow(&h)
	d.Send(wire.TopicHello, 0, h.Encode())
	for len(kinds) > 0 {
		p, m := d.Next()
		if p.Kind == 0 {
			return offer
		}
		if m.Topic.Kind == wire.TopicOffer {
			offer, _ = wire.DecodeOffer(m.Payload)
		}
		kinds = slices.DeleteFunc(kinds, func(k wire.TopicKind) bool { return k == m.Topic.Kind })
	}
	return offer
}

// TestFailedUpdatesOfAllServersAreOneAlert: at neither server are enough of them for an alert.
func TestFailedUpdatesOfAllServersAreOneAlert(t *testing.T) {
	t.Parallel()
	nodes := serveNodes(t, "unix://"+startRedis(t).socket, 2)
	nodes[0].UploadVersions(5000, 1, 2)
	nodes[0].ReleaseVersion(2)
	cloudtest.Until(t, "each server knows that the other one counts", func() bool {
		return len(nodes[0].Cloud.Store().Relay.Wanted("u")) == 1 && len(nodes[1].Cloud.Store().Relay.Wanted("u")) == 1
	})
	leads := func(w *world) bool { return w.Cloud.Store().Nodes().Holds("notifications") }
	cloudtest.Until(t, "one of them leads", func() bool { return leads(nodes[0]) || leads(nodes[1]) })
	for i := range 24 { // 20 are the least
		d := nodes[i%2].Dial(nodes[0].Enroll(fleet.DeviceID(fmt.Sprint("f", i)))[0])
		d.Hello(1, noWindow)
		finish(d, d.ReceiveOffer(), false)
	}
	alerts := func() (n int) {
		for _, a := range cloudtest.Must[api.Page[api.Alert]](t)(nodes[0].Alerts(t.Context(), api.AlertFilter{Limit: 100})).Items {
			if a.Name == "update_failures" {
				n++
			}
		}
		return n
	}
	cloudtest.Until(t, "an alert says that too many updates failed", func() bool { return alerts() > 0 })
	if n := alerts(); n != 1 {
		t.Errorf("%d alerts, want one", n)
	}
}
