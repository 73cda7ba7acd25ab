package ota

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestDecideAtHello(t *testing.T) {
	t.Parallel()
	const size = 10_000
	held := fleet.UpdateID{9}
	for _, row := range []struct {
		name    string
		device  func(*fleet.Device)
		hello   func(*wire.Hello)
		target  string
		offered bool
		refused fleet.ReasonCode
		again   bool // a time to wait is said
		past    fleet.UpdateState
	}{
		{name: "target differs: offered", target: "2", offered: true},
		{name: "target is lower than what runs: offered", hello: func(h *wire.Hello) { h.Version = v("3") }, target: "2", offered: true},
		{name: "an unreadable version equals nothing: offered", hello: func(h *wire.Hello) { h.Version = v("weird build") }, target: "2", offered: true},
		{name: "target runs: nothing", hello: func(h *wire.Hello) { h.Version = v("2") }, target: "2"},
		{name: "target runs in another spelling: nothing", hello: func(h *wire.Hello) { h.Version = v("2.0.0") }, target: "2"},
		{name: "development: nothing", device: func(d *fleet.Device) { d.Development = true }},
		{name: "lock to a lower version: offered", device: func(d *fleet.Device) { d.Lock = v("1") }, hello: func(h *wire.Hello) { h.Version = v("2") }, target: "1", offered: true},
		{name: "lock to a version that is not there: refused", device: func(d *fleet.Device) { d.Lock = v("8") }, target: "8", refused: wire.ReasonOther},
		{name: "flash stands above the rules", device: func(d *fleet.Device) { d.Flash = v("3") }, target: "3", offered: true},
		{name: "flash reaches a development device", device: func(d *fleet.Device) { d.Development, d.Flash = true, v("3") }, target: "3", offered: true},
		{name: "flash of what runs is used up", device: func(d *fleet.Device) { d.Flash = v("1") }, target: "2", offered: true},
		{name: "flash of a deleted version is used up", device: func(d *fleet.Device) { d.Development, d.Flash = true, v("8") }},
		{name: "flash is not held back by attempts", device: func(d *fleet.Device) {
			d.Flash, d.Attempts = v("3"), fleet.Attempts{Target: v("3"), Spent: 3, Held: true}
		}, target: "3", offered: true},
		{name: "not now: refused, also a flash", device: func(d *fleet.Device) { d.Flash = v("3") }, hello: func(h *wire.Hello) { h.UpdatesOn = false }, target: "3", refused: wire.ReasonNotNow},
		{name: "not now: refused", hello: func(h *wire.Hello) { h.UpdatesOn = false }, target: "2", refused: wire.ReasonNotNow},
		{name: "not now, forced: offered", device: func(d *fleet.Device) { d.Force = true }, hello: func(h *wire.Hello) { h.UpdatesOn = false }, target: "2", offered: true},
		{name: "image too large: refused", hello: func(h *wire.Hello) { h.MaxImage = size - 1 }, target: "2", refused: wire.ReasonImageTooLarge},
		{name: "image just fits: offered", hello: func(h *wire.Hello) { h.MaxImage = size }, target: "2", offered: true},
		{name: "hardware that the image is not for: refused, also a flash", device: func(d *fleet.Device) {
			d.Flash, d.Hardware = v("4"), "rev-a"
		}, target: "4", refused: wire.ReasonWrongProduct},
		{name: "hardware that the image is for: offered", device: func(d *fleet.Device) {
			d.Lock, d.Hardware = v("4"), "rev-b"
		}, target: "4", offered: true},
		{name: "another product's firmware: refused", hello: func(h *wire.Hello) { h.Product = "gadget" }, target: "2", refused: wire.ReasonWrongProduct},
		{name: "another product's firmware of the target version: refused", hello: func(h *wire.Hello) { h.Product, h.Version = "gadget", v("2") }, target: "2", refused: wire.ReasonWrongProduct},
		{name: "held by an operator: refused", device: func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("2"), Held: true} }, target: "2", refused: wire.ReasonStopped},
		{name: "held for another target: offered", device: func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("3"), Held: true} }, target: "2", offered: true},
		{name: "exhausted: refused", device: func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("2"), Spent: 3} }, target: "2", refused: wire.ReasonOther},
		{name: "exhausted for another target: offered", device: func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("3"), Spent: 3} }, target: "2", offered: true},
		{name: "cooling down: refused for a while", device: func(d *fleet.Device) {
			d.Attempts = fleet.Attempts{Target: v("2"), Spent: 1, NotBefore: time.Now().Add(time.Minute)}
		}, target: "2", refused: wire.ReasonNotNow, again: true},
		{name: "cooled down: offered", device: func(d *fleet.Device) {
			d.Attempts = fleet.Attempts{Target: v("2"), Spent: 1, NotBefore: time.Now().Add(-time.Second)}
		}, target: "2", offered: true},
		{name: "a running update to another version is superseded", device: func(d *fleet.Device) {
			d.Update = fleet.Update{ID: held, To: v("3"), State: fleet.Downloading}
		}, target: "2", offered: true, past: fleet.Superseded},
		{name: "a running update to other bytes of the same version is superseded", device: func(d *fleet.Device) {
			d.Update = fleet.Update{ID: held, To: v("2"), Digest: fleet.Digest{1}, State: fleet.Downloading}
		}, target: "2", offered: true, past: fleet.Superseded},
		{name: "a running update is superseded when the target runs", device: func(d *fleet.Device) {
			d.Update = fleet.Update{ID: held, To: v("3"), State: fleet.Downloading}
		}, hello: func(h *wire.Hello) { h.Version = v("2") }, target: "2", past: fleet.Superseded},
		{name: "a running update is superseded when nothing is released to a development device", device: func(d *fleet.Device) {
			d.Development, d.Update = true, fleet.Update{ID: held, To: v("3"), State: fleet.Stored}
		}, past: fleet.Superseded},
		{name: "rolled back: refused while it cools down", device: func(d *fleet.Device) {
			d.Update = fleet.Update{ID: held, From: v("1"), To: v("2"), State: fleet.Applying, Applied: time.Now()}
		}, target: "2", refused: wire.ReasonNotNow, again: true, past: fleet.RolledBack},
		{name: "still applying in the same boot: nothing", device: func(d *fleet.Device) {
			d.Boot, d.Update = 5, fleet.Update{ID: held, From: v("1"), To: v("2"), State: fleet.Applying, Applied: time.Now()}
		}, hello: func(h *wire.Hello) { h.Boot = 5 }, target: "2"},
		{name: "confirmed and another target: offered", device: func(d *fleet.Device) {
			d.Update = fleet.Update{ID: held, From: v("1"), To: v("3"), State: fleet.Applying, Applied: time.Now()}
		}, hello: func(h *wire.Hello) { h.Version = v("3") }, target: "2", offered: true, past: fleet.Confirmed},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			for _, version := range []string{"1", "2", "3"} {
				w.AddFirmware(version, size)
			}
			w.AddFirmware("4", size)
			w.EditCatalog(func(c *fleet.Catalog) {
				f := c.Firmware["4.0.0"]
				f.Hardware = []string{"rev-b"}
				c.Firmware["4.0.0"] = f
			})
			w.Default("2")
			w.Device("a", "1", func(d *fleet.Device) {
				if row.device != nil {
					row.device(d)
				}
			})
			r, p := w.connect("a", "1", func(h *wire.Hello) {
				if row.hello != nil {
					row.hello(h)
				}
			})
			if p.Target.String() != row.target || p.Refused != row.refused || (p.Again > 0) != row.again {
				t.Errorf("got target %q, refused %d %q, again %s; want %q, %d, %v", p.Target, p.Refused, p.Why, p.Again, row.target, row.refused, row.again)
			}
			if (len(r.offers) == 1) != row.offered || row.offered && !r.offers[0].Version.Equal(p.Target) {
				t.Errorf("got offers %v, want one: %v", r.offers, row.offered)
			}
			if row.past == fleet.NoUpdate && len(p.Ended) > 0 || row.past != fleet.NoUpdate && (len(p.Ended) != 1 || p.Ended[0].State != row.past) {
				t.Errorf("got past %v, want %s", p.Ended, row.past)
			}
			if row.past == fleet.Superseded && !row.offered && (len(r.stops) != 1 || r.stops[0].Reason != wire.ReasonSuperseded || r.stops[0].Update != held) {
				t.Errorf("got stops %v, want one, superseded", r.stops)
			}
			if !row.offered && w.Stats().Running != 0 {
				t.Error("a slot is kept")
			}
		})
	}
}

func TestResumeSendsNoChunkTheDeviceHolds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		size    int
		partial func(fleet.Image) *wire.Partial
		chunk   uint32
		window  uint32
		first   uint32
		queued  uint32
	}{
		{"no partial", 10_000, func(fleet.Image) *wire.Partial { return nil }, 1024, 8, 0, 8},
		{"partial of this image", 10_000, func(i fleet.Image) *wire.Partial { return &wire.Partial{Image: i, Next: 4, Chunk: 1024} }, 1024, 8, 4, 6},
		{"partial of another image", 10_000, func(fleet.Image) *wire.Partial { return &wire.Partial{Next: 4, Chunk: 1024} }, 1024, 8, 0, 8},
		{"partial in smaller chunks is rounded down", 10_000, func(i fleet.Image) *wire.Partial { return &wire.Partial{Image: i, Next: 15, Chunk: 256} }, 1024, 8, 3, 7},
		{"partial in larger chunks", 10_000, func(i fleet.Image) *wire.Partial { return &wire.Partial{Image: i, Next: 2, Chunk: 4096} }, 1024, 8, 8, 2},
		{"chunk limit between powers of two", 10_000, func(i fleet.Image) *wire.Partial { return &wire.Partial{Image: i, Next: 3, Chunk: 1500} }, 1500, 8, 4, 6},
		{"all of it", 10_000, func(i fleet.Image) *wire.Partial { return &wire.Partial{Image: i, Next: 10, Chunk: 1024} }, 1024, 8, 10, 0},
		{"more than all of it", 10_000, func(i fleet.Image) *wire.Partial { return &wire.Partial{Image: i, Next: 1 << 31, Chunk: 1024} }, 1024, 8, 10, 0},
		{"window 0: nothing before the first Want", 10_000, func(fleet.Image) *wire.Partial { return nil }, 1024, 0, 0, 0},
		{"window larger than the image", 2_000, func(fleet.Image) *wire.Partial { return nil }, 1024, 64, 0, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			f := w.AddFirmware("2", row.size)
			w.Default("2")
			w.Device("a", "1")
			r, _ := w.connect("a", "1", func(h *wire.Hello) {
				h.Chunk, h.Window, h.Partial = row.chunk, row.window, row.partial(f.Digest.Image())
			})
			if len(r.offers) != 1 {
				t.Fatalf("got %d offers", len(r.offers))
			}
			if o := r.offers[0]; o.Chunk != 1024 || o.First != row.first || r.count != row.queued || row.queued > 0 && r.first != row.first {
				t.Errorf("got first %d in chunks of %d, queued %d from %d; want %d, %d queued", o.First, o.Chunk, r.count, r.first, row.first, row.queued)
			}
		})
	}
}

func TestSlotsAreFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t, Config{MaxUpdates: 2, MaxWaiting: 2, BusyAgain: 30 * time.Second})
		w.AddFirmware("2", 10_000)
		w.Default("2")
		radios := map[fleet.DeviceID]*radio{}
		plans := map[fleet.DeviceID]Plan{}
		for i := range 5 {
			id := fleet.DeviceID(fmt.Sprintf("d%d", i)).In(team)
			w.Device(id, "1")
			radios[id], plans[id] = w.connect(id, "1")
		}
		for id, busy := range map[fleet.DeviceID]bool{"1/d0": false, "1/d1": false, "1/d2": true, "1/d3": true, "1/d4": true} {
			p := plans[id]
			if (p.Refused == wire.ReasonBusy) != busy {
				t.Errorf("%s: refused %d, want busy: %v", id, p.Refused, busy)
			}
			if busy && (p.Again < 15*time.Second || p.Again > 45*time.Second) {
				t.Errorf("%s: again in %s", id, p.Again)
			}
		}
		if s := w.Stats(); s.Running != 2 || s.Waiting != 2 {
			t.Errorf("got %d running, %d waiting, want 2 and 2", s.Running, s.Waiting)
		}
		if p := radios["1/d0"].again(AtChange); p.Offer != nil || len(radios["1/d0"].offers) != 1 {
			t.Error("deciding again restarted a running download")
		}
		radios["1/d1"].gone()
		if fmt.Sprint(w.ready()) != "[d2]" {
			t.Fatalf("got ready %v, want [d2]", w.ready())
		}
		radios["1/d3"].sayHello() // asks out of turn: the free slot is d2's
		if len(radios["1/d3"].offers) != 0 {
			t.Error("d3 took d2's slot")
		}
		radios["1/d2"].again(AtSlot)
		if len(radios["1/d2"].offers) != 1 {
			t.Error("d2 got no offer for its slot")
		}
		radios["1/d3"].gone() // leaves the line
		radios["1/d0"].gone()
		if fmt.Sprint(w.ready()) != "[d2]" || w.Stats().Running != 1 {
			t.Errorf("got ready %v, %d running; want [d2], 1", w.ready(), w.Stats().Running)
		}
		for id := range radios {
			if a := w.Record(id).Attempts; a.Spent != 0 {
				t.Errorf("%s: waiting cost %d attempts", id, a.Spent)
			}
		}
	})
}

func TestADeviceThatComesBackAndWaitsIsOfferedLaterWhatItLacks(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		stored bool
		next   uint32 // as its second Hello says
		state  fleet.UpdateState
	}{
		{"all is stored", true, 25, fleet.Stored},
		{"what was stored is lost", true, 0, fleet.Offered},
		{"a part is held", false, 6, fleet.Downloading},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := one(t, Config{MaxUpdates: 1})
			w.Device("b", "1")
			a, _ := w.connect("a", "1", w.has("2", 0))
			if row.stored {
				a.download()
				a.report(wire.ReportStored)
			} else {
				a.report(wire.ReportDownloading, func(p *wire.Report) { p.Next = 1 })
			}
			a.gone()
			b, _ := w.connect("b", "1")
			a, p := w.connect("a", "1", w.has("2", row.next))
			if u := w.Record("a").Update; p.Refused != wire.ReasonBusy || u.State != row.state {
				t.Fatalf("got refused %d, %s", p.Refused, u.State)
			}
			b.gone()
			if a.again(AtSlot); len(a.offers) != 1 || a.offers[0].First != row.next || w.Record("a").Update.Attempt != 1 {
				t.Errorf("got offers %v, attempt %d", a.offers, w.Record("a").Update.Attempt)
			}
		})
	}
}
