package cloud

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestMoveInMidUpdateGoesOnFromTheDevicesPosition(t *testing.T) {
	for name, move := range map[string]func(t *testing.T, w *world, to *raw){
		"by the gateway": func(t *testing.T, _ *world, to *raw) {
			t.Helper()
			if got := to.attach(wire.TopicAttach, "g-0"); got["g-0"] != wire.ReasonNone {
				t.Fatalf("attach: got %v", got)
			}
		},
		"by an operator": func(t *testing.T, w *world, _ *raw) {
			t.Helper()
			w.edit("g-0", api.DeviceUpdate{Gateway: api.Some("h")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(t)
			w.upload(imageSize, 1, 2)
			credentials := w.gateways("g", "h")
			older, newer := w.dial(credentials[0]), w.dial(credentials[1])
			w.release(2)
			older.childHello("g-0", 1)
			o := older.offerFor("g-0")
			for range 5 {
				older.hearFor("g-0", wire.TopicChunk)
			}
			move(t, w, newer)
			if w.cloud.conductor.Online("g-0") {
				t.Error("it is online before its Hello through the new gateway")
			}
			refused(t, w, older, o)

			newer.childHello("g-0", 1, func(h *wire.Hello) { h.Partial = &wire.Partial{Image: o.Image(), Next: 5, Chunk: o.Chunk} })
			again := newer.offerFor("g-0")
			if again.Update != o.Update || again.First != 5 {
				t.Errorf("got update %s from chunk %d, want the same from 5", again.Update, again.First)
			}
			refused(t, w, older, o)
			newer.download("g-0", again)
			refused(t, w, older, o)
			newer.childHello("g-0", 2)
			w.runs("g-0", 2)
			if u := w.device("g-0").Update; u.Attempt != 1 {
				t.Errorf("the move cost an attempt: %+v", u)
			}
			older.alive()
		})
	}
}

// refused checks that nothing a gateway says for a device that has moved away counts.
func refused(t *testing.T, w *world, older *raw, o wire.Offer) {
	t.Helper()
	before := w.device("g-0")
	for kind, payload := range map[wire.TopicKind][]byte{
		wire.TopicHello:   wire.NewHello(fleet.WholeVersion(9)).Encode(),
		wire.TopicWant:    wire.Want{Image: o.Image(), First: 5, Count: 8}.Encode(),
		wire.TopicReport:  wire.Report{Image: o.Image(), State: wire.ReportFailed, Reason: wire.ReasonDigest}.Encode(),
		wire.TopicMessage: []byte("x"),
	} {
		older.carry("g-0", kind, 1, payload)
		if s := older.stopFor("g-0"); s.Reason != wire.ReasonNotAttached {
			t.Errorf("topic %d through the old gateway: got reason %d, want 17", kind, s.Reason)
		}
	}
	if after := w.device("g-0"); after.Revision != before.Revision {
		t.Error("the old gateway changed the record")
	}
}

func TestMovesAreForRoamingProductsRateLimitedAndAudited(t *testing.T) {
	w := serve(t)
	credentials := w.gateways("g", "h")
	g, h := w.dial(credentials[0]), w.dial(credentials[1])
	w.setProduct(func(p *fleet.Product) { p.Roaming = false })
	if got := h.attach(wire.TopicAttach, "g-0"); got["g-0"] != wire.ReasonNotAttached || w.device("g-0").Gateway != "g" {
		t.Errorf("without roaming: got %v", got)
	}
	w.setProduct(func(p *fleet.Product) { p.Roaming = true })
	var reason fleet.ReasonCode
	moved := 0
	for n := range moveBurst + 5 {
		to := []*raw{h, g}[n%2]
		if reason = to.attach(wire.TopicAttach, "g-0")["g-0"]; reason != wire.ReasonNone {
			break
		}
		moved++
	}
	if reason != wire.ReasonOverLimit || moved != moveBurst {
		t.Errorf("%d moves, then reason %d; want %d, then over the limit", moved, reason, moveBurst)
	}
	for range 3 { // whichever does not have it: no further alert
		g.attach(wire.TopicAttach, "g-0")
		h.attach(wire.TopicAttach, "g-0")
	}
	if names := alertNames(w); names["flapping"] != 1 {
		t.Errorf("got alerts %v, want one", names)
	}
	log, _, err := w.cloud.store.Messages.AuditLog(t.Context(), w.device("g").Team, "", 100)
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
	w := serve(t, func(c *Config) { c.GatewayUpdates = 2 })
	w.upload(imageSize, 1, 2)
	credentials := w.gateways("g", "h")
	g, h := w.dial(credentials[0]), w.dial(credentials[1])
	w.behind("g", "g-1", "g-2", "g-3")
	w.release(2)
	for n, want := range []fleet.ReasonCode{wire.ReasonNone, wire.ReasonNone, wire.ReasonBusy, wire.ReasonBusy} {
		if welcome := g.childHello(fleet.DeviceID(fmt.Sprint("g-", n)), 1); welcome.Reason != want {
			t.Errorf("child %d: got reason %d, want %d", n, welcome.Reason, want)
		}
	}
	if welcome := h.childHello("h-0", 1); welcome.Reason != wire.ReasonNone {
		t.Errorf("another gateway's child: got reason %d", welcome.Reason)
	}
	for n := range 4 { // each that ends makes room for the next
		id := fleet.DeviceID(fmt.Sprint("g-", n))
		if welcome := g.childHello(id, 1); welcome.Reason != wire.ReasonNone { // what it was sent so far was passed over
			t.Fatalf("%s: got reason %d though there is room", id, welcome.Reason)
		}
		g.download(id, g.offerFor(id))
		g.childHello(id, 2)
		w.runs(id, 2)
		if a := w.device(id).Update.Attempt; a != 1 {
			t.Errorf("%s: waiting cost an attempt: %d", id, a)
		}
	}
}

func TestAGatewayThatCachesGetsAnImageOnceForTwentyChildren(t *testing.T) {
	const many = 20
	bytes := map[bool]uint64{}
	for _, caches := range []bool{false, true} {
		w := serve(t, func(c *Config) { c.GatewayUpdates = many })
		w.upload(imageSize, 1, 2)
		g := w.dial(w.gateways("g")[0])
		g.hello(1, func(h *wire.Hello) { h.Caches = caches })
		ids := []fleet.DeviceID{"g-0"}
		for n := 1; n < many; n++ {
			ids = append(ids, fleet.DeviceID(fmt.Sprint("g-", n)))
		}
		w.behind("g", ids[1:]...)
		w.release(2)
		g.say(wire.TopicWant, 0, wire.Want{Count: 1}.Encode()) // of no child's image
		g.hear(wire.TopicStop)
		for n, id := range ids {
			g.childHello(id, 1)
			o := g.offerFor(id)
			if o.Cached != caches {
				t.Fatalf("%s: cached is %t", id, o.Cached)
			}
			if !caches {
				g.download(id, o)
				continue
			}
			if n == 0 {
				g.fetch(o)
			}
			g.finish(id, o)
		}
		for _, id := range ids {
			g.childHello(id, 2)
			w.runs(id, 2)
		}
		bytes[caches] = w.cloud.ota.Stats().Bytes
		w.stop()
	}
	saved := 100 - 100*float64(bytes[true])/float64(bytes[false])
	t.Logf("%d bytes without a cache, %d with one: %.1f %% saved", bytes[false], bytes[true], saved)
	if saved < 90 {
		t.Errorf("saved %.1f %%, want at least 90", saved)
	}
}

// fetch gets the image of a child's Offer on the gateway's own topics.
func (r *raw) fetch(o wire.Offer) {
	r.t.Helper()
	for next := uint32(0); next < o.Count; {
		r.say(wire.TopicWant, 0, wire.Want{Image: o.Image(), First: next, Count: wire.DefaultWindow}.Encode())
		for range min(wire.DefaultWindow, o.Count-next) {
			if c := must[wire.Chunk](r.t)(wire.ParseChunk(r.hearFor("", wire.TopicChunk))); c.Index != next {
				r.t.Fatalf("got chunk %d, want %d", c.Index, next)
			}
			next++
		}
	}
}

// A gateway killed at any step of the protocol loses nothing: after it has come back and
// its child has said Hello again, the update goes on, and ends on the right firmware.
func TestGatewayKilledAtEveryStep(t *testing.T) {
	w := serve(t)
	w.upload(imageSize, 1, 2)
	w.release(2)
	type step struct {
		name string
		do   func(g *raw, child fleet.DeviceID, o *wire.Offer)
	}
	report := func(s wire.ReportState, wait bool) func(*raw, fleet.DeviceID, *wire.Offer) {
		return func(g *raw, child fleet.DeviceID, o *wire.Offer) {
			id := g.carry(child, wire.TopicReport, 1, wire.Report{Image: o.Image(), State: s, Update: o.Update}.Encode())
			if wait {
				g.acked(id, func(heard) {})
			}
		}
	}
	steps := []step{
		{"connected", func(*raw, fleet.DeviceID, *wire.Offer) {}},
		{"attach said", func(g *raw, child fleet.DeviceID, _ *wire.Offer) {
			g.say(wire.TopicAttach, 1, wire.Attach{IDs: []fleet.DeviceID{child}}.Encode())
		}},
		{"attached", func(g *raw, child fleet.DeviceID, _ *wire.Offer) { g.attach(wire.TopicAttach, child) }},
		{"hello said", func(g *raw, child fleet.DeviceID, _ *wire.Offer) {
			g.carry(child, wire.TopicHello, 0, wire.NewHello(fleet.WholeVersion(1)).Encode())
		}},
		{"welcome", func(g *raw, child fleet.DeviceID, _ *wire.Offer) { g.hearFor(child, wire.TopicWelcome) }},
		{"offer", func(g *raw, child fleet.DeviceID, o *wire.Offer) { *o = g.offerFor(child) }},
		{"first chunk", func(g *raw, child fleet.DeviceID, _ *wire.Offer) { g.hearFor(child, wire.TopicChunk) }},
		{"want said", func(g *raw, child fleet.DeviceID, o *wire.Offer) {
			g.carry(child, wire.TopicWant, 0, wire.Want{Image: o.Image(), First: 8, Count: 17}.Encode())
		}},
		{"all chunks", func(g *raw, child fleet.DeviceID, o *wire.Offer) {
			for c := (wire.Chunk{}); c.Index+1 < o.Count; {
				c = must[wire.Chunk](g.t)(wire.ParseChunk(g.hearFor(child, wire.TopicChunk)))
			}
		}},
		{"stored said", report(wire.ReportStored, false)},
		{"stored", report(wire.ReportStored, true)},
		{"applying said", report(wire.ReportApplying, false)},
		{"applying", report(wire.ReportApplying, true)},
		{"new hello said", func(g *raw, child fleet.DeviceID, _ *wire.Offer) {
			g.carry(child, wire.TopicHello, 0, wire.NewHello(fleet.WholeVersion(2)).Encode())
		}},
		{"new welcome", func(g *raw, child fleet.DeviceID, _ *wire.Offer) { g.hearFor(child, wire.TopicWelcome) }},
	}
	for last := range steps {
		t.Run(steps[last].name, func(t *testing.T) {
			w := &world{TB: t, Client: w.Client, cloud: w.cloud}
			id := fleet.DeviceID(fmt.Sprint("k", last))
			child := id + "-0"
			credential := w.gateways(id)[0]
			w.edit(child, api.DeviceUpdate{Gateway: api.Null[string]()})
			g := w.dial(credential)
			var o wire.Offer
			for _, s := range steps[:last+1] {
				s.do(g, child, &o)
			}
			_ = g.Close() // killed: no goodbye
			until(t, "the gateway is gone", func() bool { return !w.cloud.conductor.Online(id) && !w.cloud.conductor.Online(child) })

			g = w.dial(credential)
			g.attach(wire.TopicAttach, child)
			applied := last >= 11
			if !applied {
				g.childHello(child, 1, func(h *wire.Hello) {
					if o.Count > 0 {
						h.Partial = &wire.Partial{Image: o.Image(), Next: 1, Chunk: o.Chunk}
					}
				})
				again := g.offerFor(child)
				if o.Count > 0 && again.Update != o.Update {
					t.Errorf("another update was begun: %s, not %s", again.Update, o.Update)
				}
				g.download(child, again)
			}
			g.childHello(child, 2)
			w.runs(child, 2)
			if d := w.device(child); d.Attempts.Spent != 0 || d.Update.Attempt != 1 {
				t.Errorf("it cost an attempt: %+v", d.Attempts)
			}
		})
	}
}
