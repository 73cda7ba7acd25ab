package cloud_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// transfers are the downloads that devices see.
type transfers struct {
	now, most atomic.Int64
}

func (n *transfers) begin() {
	now := n.now.Add(1)
	for most := n.most.Load(); now > most && !n.most.CompareAndSwap(most, now); most = n.most.Load() {
	}
}

// update has a device that runs version 1 update to version 2.
func (n *transfers) update(d *cloudtest.Device) {
	d.Hello(1, noWindow)
	o := d.ReceiveOffer()
	n.begin()
	const window = 8
	for first := uint32(0); first < o.Count; first += window {
		want := wire.Want{Image: o.Image(), First: first, Count: min(window, o.Count-first)}
		d.Send(wire.TopicWant, 0, want.Encode())
		for range want.Count {
			d.Receive(wire.TopicChunk)
		}
	}
	n.now.Add(-1)
	finish(d, o, true)
	d.Hello(2, func(h *wire.Hello) { h.Boot = 99 })
}

// TestAllServersTogetherTransferNoMoreThanTheLimit has three servers, one of them without devices, update a
// fleet. Invariant 6 of the design.
func TestAllServersTogetherTransferNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	const most = 4
	for name, limit := range map[string]func(*cloud.Config){
		"ota.max_updates": func(c *cloud.Config) { c.OTA.MaxUpdates = most },
		"quota.updates":   func(c *cloud.Config) { c.Quota.Updates = most },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := func(c *cloud.Config) { c.OTA.Rate = 1 << 20 } // so that they meet
			nodes := serveNodes(t, "unix://"+startRedis(t).socket, 3, limit, slow)
			const devices, size = 24, 200_000
			nodes[0].UploadVersions(size, 1, 2)
			nodes[0].ReleaseVersion(2)
			var ids []fleet.DeviceID
			for n := range devices {
				ids = append(ids, fleet.DeviceID(fmt.Sprintf("lamp-%02d", n)))
			}
			var seen transfers
			var online []*cloudtest.Device
			for n, cred := range nodes[0].Enroll(ids...) {
				online = append(online, nodes[min(n%3, 1)].Dial(cred)) // twice as many at one of them as at the other
			}
			began := time.Now()
			var updates sync.WaitGroup
			for _, d := range online {
				updates.Go(func() { seen.update(d) })
			}
			updates.Wait()
			if took, least := time.Since(began), time.Duration(devices*size)*time.Second>>20; took < least*3/4 {
				t.Errorf("it took %s: with ota.rate at all servers together it takes %s", took, least)
			}
			if n := seen.most.Load(); n > most || n < 2 {
				t.Errorf("up to %d devices downloaded at a time, want up to %d", n, most)
			}
			for _, id := range ids {
				if d := nodes[0].Record(id); !d.Running.Equal(fleet.WholeVersion(2)) || d.Attempts.Spent != 0 {
					t.Errorf("%s runs %s, %d attempts were spent", id, d.Running, d.Attempts.Spent)
				}
			}
		})
	}
}

// ask says Hello, and returns the offer that follows or that the server sends by itself meanwhile.
func ask(d *cloudtest.Device, version uint32, boot uint64) (o wire.Offer, offered bool) {
	h := wire.NewHello(fleet.WholeVersion(version))
	h.Window, h.Boot = 0, boot
	d.Send(wire.TopicHello, 0, h.Encode())
	for {
		p, m := d.Next()
		switch {
		case p.Kind == 0:
			return o, false
		case m.Topic.Kind == wire.TopicOffer:
			o, err := wire.DecodeOffer(m.Payload)
			return o, err == nil
		case m.Topic.Kind == wire.TopicWelcome:
			if w, err := wire.DecodeWelcome(m.Payload); err != nil || w.Boot == boot && (w.Reason != wire.ReasonNone || version == 2) {
				return o, false
			}
		}
	}
}

// TestAllServersTogetherBeginNoMoreThanAPlanAllows has devices of two servers ask again and again for the places of
// a release.
func TestAllServersTogetherBeginNoMoreThanAPlanAllows(t *testing.T) {
	t.Parallel()
	const most, devices = 3, 12
	nodes := serveNodes(t, "unix://"+startRedis(t).socket, 2)
	nodes[0].UploadVersions(50_000, 1, 2)
	plan := &api.Plan{Stages: api.Stages{{Share: percent(fleet.Whole)}}, Limits: &api.PlanLimits{AtOnce: most}}
	cloudtest.Must[api.Firmware](t)(nodes[0].Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: plan}))
	var ids []fleet.DeviceID
	for n := range devices {
		ids = append(ids, fleet.DeviceID(fmt.Sprintf("lamp-%02d", n)))
	}
	var seen transfers
	var updates sync.WaitGroup
	for n, cred := range nodes[0].Enroll(ids...) {
		d := nodes[n%2].Dial(cred)
		updates.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			o, offered := ask(d, 1, 1)
			for ; !offered; o, offered = ask(d, 1, 1) {
				<-tick.C
			}
			seen.begin()
			<-tick.C // others ask meanwhile
			seen.now.Add(-1)
			finish(d, o, true)
			ask(d, 2, 99)
		})
	}
	updates.Wait()
	if n := seen.most.Load(); n > most || n < 2 {
		t.Errorf("up to %d devices were being updated at a time, want up to %d", n, most)
	}
}

// TestTheUpdatesOfAKilledServerAreTakenOver: a server that was killed keeps its grant until it is dead, and not
// longer.
func TestTheUpdatesOfAKilledServerAreTakenOver(t *testing.T) {
	t.Parallel()
	w := install(t, "unix://"+startRedis(t).socket, 1, "", func(c *cloud.Config) { c.OTA.MaxUpdates = 2 })
	w.UploadVersions(100_000, 1, 2)
	w.ReleaseVersion(2)
	creds := w.Enroll("a", "b", "c")
	for _, cred := range creds[:2] { // both slots
		d := cloudtest.Dial(t, w.others[0].Broker(), cred)
		d.Hello(1, noWindow)
		d.ReceiveOffer()
	}
	c := w.Dial(creds[2])
	if welcome := c.Hello(1, noWindow); welcome.Reason != wire.ReasonBusy {
		t.Fatalf("got %+v, want none to be free", welcome)
	}
	cloudtest.Until(t, "why says so", func() bool {
		why := w.Cloud.OTA().Capacity("1/c", "", 1)
		return why.Running == 2 && why.Max == 2 && why.Place == 1 && why.Full
	})
	killed := time.Now()
	w.others[0].Kill()
	c.ReceiveOffer()
	if took := time.Since(killed); took < 8*time.Second { // it might only have been suspended
		t.Errorf("its slots were taken over after %s", took)
	}
}

// TestADownloadGoesOnAfterACut suspends a server until others take it for dead. It gives up its slot when it
// continues, gets one again, and sends the chunks that it has not sent yet.
func TestADownloadGoesOnAfterACut(t *testing.T) {
	t.Parallel()
	w := install(t, "unix://"+startRedis(t).socket, 1, "60KB/s")
	w.UploadVersions(200_000, 1, 2)
	w.ReleaseVersion(2)
	c := w.others[0]
	d := cloudtest.Dial(t, c.Broker(), w.Enroll("a")[0])
	d.Hello(1, noWindow)
	o := d.ReceiveOffer()
	d.Send(wire.TopicWant, 0, wire.Want{Image: o.Image(), Count: o.Count}.Encode())
	for next := range o.Count {
		if next == 3 {
			suspend(t, w, c)
		}
		if chunk := cloudtest.Must[wire.Chunk](t)(wire.ParseChunk(d.Receive(wire.TopicChunk).Payload)); chunk.Index != next {
			t.Fatalf("got chunk %d, want %d", chunk.Index, next)
		}
	}
}

// suspend suspends a server until the one in this process takes it for dead.
func suspend(t *testing.T, w *installation, p *cloudtest.Process) {
	t.Helper()
	if err := p.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	cloudtest.Until(t, "the other server takes it for dead", func() bool { return len(w.Cloud.Store().Nodes().Others()) == 0 })
	if err := p.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

func TestATeamHasAsManyConnectionsAsItsQuotaAtAllServersTogether(t *testing.T) {
	t.Parallel()
	const most = 4
	nodes := serveNodes(t, "unix://"+startRedis(t).socket, 2, func(c *cloud.Config) { c.Quota.Connections = most })
	creds := nodes[0].Enroll("a", "b", "c", "d", "e", "f")
	var open []*cloudtest.Device
	for n, cred := range creds[:most] {
		cloudtest.Until(t, "it has a connection", func() bool { // the other server may keep the place for a second
			d, err := cloudtest.TryDial(t, nodes[n%2].Broker(), cred)
			if err == nil {
				open = append(open, d)
			}
			return err == nil
		})
	}
	for _, w := range nodes {
		cloudtest.Until(t, "it counts all", func() bool { return used(w, w.Client, "connections") == most })
		for _, cred := range creds[most:] {
			if _, err := cloudtest.TryDial(t, w.Broker(), cred); err == nil {
				t.Errorf("%s has a connection: it is one too many", cred.ID)
			}
		}
	}
	for _, d := range open {
		d.Hello(1)
		d.VerifyAlive()
	}
	_ = open[0].Close()
	cloudtest.Until(t, "there is a place again", func() bool {
		d, err := cloudtest.TryDial(t, nodes[1].Broker(), creds[most])
		if err == nil {
			d.Hello(1)
		}
		return err == nil
	})
}
