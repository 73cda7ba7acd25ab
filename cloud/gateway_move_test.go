package cloud_test

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestMoveInMidUpdateResumesAtTheDevicesPosition(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(t *testing.T, w *world, to *cloudtest.Device){
		"by the gateway": func(t *testing.T, _ *world, to *cloudtest.Device) {
			t.Helper()
			if got := to.Attach(wire.TopicAttach, "g-0"); got["g-0"] != wire.ReasonNone {
				t.Fatalf("attach: got %v", got)
			}
		},
		"by an operator": func(t *testing.T, w *world, _ *cloudtest.Device) {
			t.Helper()
			w.EditDevice("g-0", api.DeviceUpdate{Gateway: api.Some("h")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(t)
			w.UploadVersions(imageSize, 1, 2)
			credentials := w.EnrollGateways("g", "h")
			older, newer := w.Dial(credentials[0]), w.Dial(credentials[1])
			w.ReleaseVersion(2)
			older.HelloFor("g-0", 1)
			o := older.OfferFor("g-0")
			for range 5 {
				older.ReceiveFor("g-0", wire.TopicChunk)
			}
			move(t, w, newer)
			if w.Online("g-0") {
				t.Error("it is online before its Hello through the new gateway")
			}
			refused(t, w, older, o)

			newer.HelloFor("g-0", 1, func(h *wire.Hello) { h.Partial = &wire.Partial{Image: o.Image(), Next: 5, Chunk: o.Chunk} })
			again := newer.OfferFor("g-0")
			if again.Update != o.Update || again.First != 5 {
				t.Errorf("got update %s from chunk %d, want the same from 5", again.Update, again.First)
			}
			refused(t, w, older, o)
			newer.DownloadFor("g-0", again)
			refused(t, w, older, o)
			newer.HelloFor("g-0", 2)
			w.runs("g-0", 2)
			if u := w.Record("g-0").Update; u.Attempt != 1 {
				t.Errorf("the move cost an attempt: %+v", u)
			}
			older.VerifyAlive()
		})
	}
}

// refused verifies that messages for a device that has moved away have no effect.
func refused(t *testing.T, w *world, older *cloudtest.Device, o wire.Offer) {
	t.Helper()
	before := w.Record("g-0")
	for kind, payload := range map[wire.TopicKind][]byte{
		wire.TopicHello:   wire.NewHello(fleet.WholeVersion(9)).Encode(),
		wire.TopicWant:    wire.Want{Image: o.Image(), First: 5, Count: 8}.Encode(),
		wire.TopicReport:  wire.Report{Image: o.Image(), State: wire.ReportFailed, Reason: wire.ReasonDigest}.Encode(),
		wire.TopicMessage: []byte("x"),
	} {
		older.SendFor("g-0", kind, 1, payload)
		if s := older.StopFor("g-0"); s.Reason != wire.ReasonNotAttached {
			t.Errorf("topic %d through the old gateway: got reason %d, want 17", kind, s.Reason)
		}
	}
	if after := w.Record("g-0"); after.Revision != before.Revision {
		t.Error("the old gateway changed the record")
	}
}

// moveBurst is how often a BLE device may move in a row (docs/gateways.md).
const moveBurst = 10

func TestMovesAreForRoamingProductsRateLimitedAndAudited(t *testing.T) {
	t.Parallel()
	w := serve(t)
	credentials := w.EnrollGateways("g", "h")
	g, h := w.Dial(credentials[0]), w.Dial(credentials[1])
	w.SetProduct(func(p *fleet.Product) { p.Roaming = fleet.RoamingNone })
	if got := h.Attach(wire.TopicAttach, "g-0"); got["g-0"] != wire.ReasonNotAttached || w.Record("g-0").Gateway != "1/g" {
		t.Errorf("without roaming: got %v", got)
	}
	w.SetProduct(func(p *fleet.Product) { p.Roaming = fleet.RoamingGroups })
	var reason fleet.ReasonCode
	moved := 0
	for n := range moveBurst + 5 {
		to := []*cloudtest.Device{h, g}[n%2]
		if reason = to.Attach(wire.TopicAttach, "g-0")["g-0"]; reason != wire.ReasonNone {
			break
		}
		moved++
	}
	if reason != wire.ReasonOverLimit || moved != moveBurst {
		t.Errorf("%d moves, then reason %d; want %d, then over the limit", moved, reason, moveBurst)
	}
	for range 3 { // whichever does not have it: no further alert
		g.Attach(wire.TopicAttach, "g-0")
		h.Attach(wire.TopicAttach, "g-0")
	}
	if names := alertNames(w); names["flapping"] != 1 {
		t.Errorf("got alerts %v, want one", names)
	}
	log, _, err := w.Cloud.Store().Messages.AuditLog(t.Context(), w.Record("g").Team, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, e := range log {
		if e.Action == "device.move" && e.Object == "g-0" {
			entries++
		}
	}
	if entries != moved {
		t.Errorf("%d moves are in the audit log, want %d", entries, moved)
	}
}

func TestAtMostKChildrenOfAGatewayUpdateAtOnce(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.OTA.GatewayUpdates = 2 })
	w.UploadVersions(imageSize, 1, 2)
	credentials := w.EnrollGateways("g", "h")
	g, h := w.Dial(credentials[0]), w.Dial(credentials[1])
	w.EnrollBehind("g", "g-1", "g-2", "g-3")
	w.ReleaseVersion(2)
	for n, want := range []fleet.ReasonCode{wire.ReasonNone, wire.ReasonNone, wire.ReasonBusy, wire.ReasonBusy} {
		if welcome := g.HelloFor(fleet.DeviceID(fmt.Sprint("g-", n)), 1); welcome.Reason != want {
			t.Errorf("child %d: got reason %d, want %d", n, welcome.Reason, want)
		}
	}
	if welcome := h.HelloFor("h-0", 1); welcome.Reason != wire.ReasonNone {
		t.Errorf("another gateway's child: got reason %d", welcome.Reason)
	}
	for n := range 4 { // each that ends makes room for the next
		id := fleet.DeviceID(fmt.Sprint("g-", n))
		if welcome := g.HelloFor(id, 1); welcome.Reason != wire.ReasonNone { // what it was sent so far was passed over
			t.Fatalf("%s: got reason %d though there is room", id, welcome.Reason)
		}
		g.DownloadFor(id, g.OfferFor(id))
		g.HelloFor(id, 2)
		w.runs(id, 2)
		if a := w.Record(id).Update.Attempt; a != 1 {
			t.Errorf("%s: waiting cost an attempt: %d", id, a)
		}
	}
}

func TestAGatewayThatCachesGetsAnImageOnceForTwentyChildren(t *testing.T) {
	t.Parallel()
	const many = 20
	bytes := map[bool]uint64{}
	for _, caches := range []bool{false, true} {
		w := serve(t, func(c *cloud.Config) { c.OTA.GatewayUpdates = many })
		w.UploadVersions(imageSize, 1, 2)
		g := w.Dial(w.EnrollGateways("g")[0])
		g.Hello(1, func(h *wire.Hello) { h.Caches = caches })
		ids := []fleet.DeviceID{"g-0"}
		for n := 1; n < many; n++ {
			ids = append(ids, fleet.DeviceID(fmt.Sprint("g-", n)))
		}
		w.EnrollBehind("g", ids[1:]...)
		w.ReleaseVersion(2)
		g.Send(wire.TopicWant, 0, wire.Want{Count: 1}.Encode()) // of no child's image
		g.Receive(wire.TopicStop)
		for n, id := range ids {
			g.HelloFor(id, 1)
			o := g.OfferFor(id)
			if o.Cached != caches {
				t.Fatalf("%s: cached is %t", id, o.Cached)
			}
			if !caches {
				g.DownloadFor(id, o)
				continue
			}
			if n == 0 {
				g.FetchImage(o)
			}
			g.FinishFor(id, o)
		}
		for _, id := range ids {
			g.HelloFor(id, 2)
			w.runs(id, 2)
		}
		bytes[caches] = w.Cloud.OTA().Stats().Bytes
		w.Stop()
	}
	saved := 100 - 100*float64(bytes[true])/float64(bytes[false])
	t.Logf("%d bytes without a cache, %d with one: %.1f %% saved", bytes[false], bytes[true], saved)
	if saved < 90 {
		t.Errorf("saved %.1f %%, want at least 90", saved)
	}
}

// A gateway killed at any step of the protocol loses nothing: after it has come back and
// its child has sent Hello again, the update continues and ends with the right firmware.
func TestGatewayKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	type step struct {
		name string
		do   func(g *cloudtest.Device, child fleet.DeviceID, o *wire.Offer)
	}
	report := func(s wire.ReportState, wait bool) func(*cloudtest.Device, fleet.DeviceID, *wire.Offer) {
		return func(g *cloudtest.Device, child fleet.DeviceID, o *wire.Offer) {
			id := g.SendFor(child, wire.TopicReport, 1, wire.Report{Image: o.Image(), State: s, Update: o.Update}.Encode())
			if wait {
				g.WaitAck(id, func(cloudtest.Message) {})
			}
		}
	}
	steps := []step{
		{"connected", func(*cloudtest.Device, fleet.DeviceID, *wire.Offer) {}},
		{"attach said", func(g *cloudtest.Device, child fleet.DeviceID, _ *wire.Offer) {
			g.Send(wire.TopicAttach, 1, wire.Attach{IDs: []fleet.DeviceID{child}}.Encode())
		}},
		{"attached", func(g *cloudtest.Device, child fleet.DeviceID, _ *wire.Offer) { g.Attach(wire.TopicAttach, child) }},
		{"hello said", func(g *cloudtest.Device, child fleet.DeviceID, _ *wire.Offer) {
			g.SendFor(child, wire.TopicHello, 0, wire.NewHello(fleet.WholeVersion(1)).Encode())
		}},
		{"welcome", func(g *cloudtest.Device, child fleet.DeviceID, _ *wire.Offer) { g.ReceiveFor(child, wire.TopicWelcome) }},
		{"offer", func(g *cloudtest.Device, child fleet.DeviceID, o *wire.Offer) { *o = g.OfferFor(child) }},
		{"first chunk", func(g *cloudtest.Device, child fleet.DeviceID, _ *wire.Offer) { g.ReceiveFor(child, wire.TopicChunk) }},
		{"want said", func(g *cloudtest.Device, child fleet.DeviceID, o *wire.Offer) {
			g.SendFor(child, wire.TopicWant, 0, wire.Want{Image: o.Image(), First: 8, Count: 17}.Encode())
		}},
		{"all chunks", func(g *cloudtest.Device, child fleet.DeviceID, o *wire.Offer) {
			for c := (wire.Chunk{}); c.Index+1 < o.Count; {
				c = cloudtest.Must[wire.Chunk](w)(wire.ParseChunk(g.ReceiveFor(child, wire.TopicChunk)))
			}
		}},
		{"stored said", report(wire.ReportStored, false)},
		{"stored", report(wire.ReportStored, true)},
		{"applying said", report(wire.ReportApplying, false)},
		{"applying", report(wire.ReportApplying, true)},
		{"new hello said", func(g *cloudtest.Device, child fleet.DeviceID, _ *wire.Offer) {
			g.SendFor(child, wire.TopicHello, 0, wire.NewHello(fleet.WholeVersion(2)).Encode())
		}},
		{"new welcome", func(g *cloudtest.Device, child fleet.DeviceID, _ *wire.Offer) { g.ReceiveFor(child, wire.TopicWelcome) }},
	}
	for last := range steps {
		t.Run(steps[last].name, func(t *testing.T) {
			w := &world{&cloudtest.Server{TB: t, Client: w.Client, Cloud: w.Cloud}}
			id := fleet.DeviceID(fmt.Sprint("k", last))
			child := id + "-0"
			credential := w.EnrollGateways(id)[0]
			w.EditDevice(child, api.DeviceUpdate{Gateway: api.Null[string]()})
			g := w.Dial(credential)
			var o wire.Offer
			for _, s := range steps[:last+1] {
				s.do(g, child, &o)
			}
			_ = g.Close() // killed: no goodbye
			cloudtest.Until(t, "the gateway is gone", func() bool { return !w.Online(id) && !w.Online(child) })

			g = w.Dial(credential)
			g.Attach(wire.TopicAttach, child)
			applied := last >= 11
			if !applied {
				g.HelloFor(child, 1, func(h *wire.Hello) {
					if o.Count > 0 {
						h.Partial = &wire.Partial{Image: o.Image(), Next: 1, Chunk: o.Chunk}
					}
				})
				again := g.OfferFor(child)
				if o.Count > 0 && again.Update != o.Update {
					t.Errorf("another update was begun: %s, not %s", again.Update, o.Update)
				}
				g.DownloadFor(child, again)
			}
			g.HelloFor(child, 2)
			w.runs(child, 2)
			if d := w.Record(child); d.Attempts.Spent != 0 || d.Update.Attempt != 1 {
				t.Errorf("it cost an attempt: %+v", d.Attempts)
			}
		})
	}
}
