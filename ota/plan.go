package ota

import (
	"math/rand/v2"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// Occasion is why a decision is made.
type Occasion uint8

// The occasions.
const (
	AtHello  Occasion = iota // the device said Hello
	AtChange                 // an operator changed something that is to act at once
	AtSlot                   // Ready was called for the device
)

// Plan is what Decide found: what the device is told, and what Start is to do.
type Plan struct {
	Device  fleet.DeviceID
	Target  fleet.Version // zero: none
	Because fleet.Reason  // the rule behind Target
	Flash   bool          // Target is an operator's flash order, above the rules
	Why     string        // the reason in words, for the Welcome
	Refused fleet.ReasonCode
	Again   time.Duration  // with Refused: when the device may try again, 0 when waiting won't help
	Past    []fleet.Update // ended by this decision
	Offer   *wire.Offer    // nil: nothing is offered

	product fleet.ProductID
	gateway fleet.DeviceID // a BLE device's, else ""
	window  uint32
	session uint64
	going   bool       // the running download goes on untouched
	repeat  bool       // Offer goes on with a running update
	stop    *wire.Stop // ends a running download that no Offer replaces
}

// Welcome is the answer to the Hello with this boot nonce.
func (p Plan) Welcome(boot uint64) wire.Welcome {
	return wire.Welcome{Boot: boot, Time: time.Now(), Target: p.Target, Why: p.Why, Reason: p.Refused, Again: p.Again}
}

// Decide settles d's last update by what Hello h says about it (AtHello only), and decides
// what d gets now by catalog c: nothing, a new update, or more of the running one. h is
// the device's last Hello. It changes d accordingly and takes or frees d's slot, but sends
// nothing: when d is saved, Start carries the plan out. It may be called again on a fresh
// copy of d without harm. It never blocks.
//
// For a BLE device h.Caches says that its gateway caches images: the Offer then says so and
// nothing is pushed; the gateway fetches the image itself (Fetch).
//
// A flash order stands above the rules, also for a development device, and is used up
// when its update ends. AtHello, d.Boot is to be the boot nonce of the Hello before h.
func (s *Service) Decide(d *fleet.Device, c *fleet.Catalog, h wire.Hello, at Occasion) Plan {
	now := time.Now()
	p := Plan{Device: d.ID, product: d.Product, gateway: d.Gateway, window: h.Window, session: d.Session}
	ours := h.Product == "" || h.Product == c.Product.Slug
	if at == AtHello && s.rules.settle(d, h, ours, now) {
		p.Past = append(p.Past, d.Update)
	}
	s.choose(&p, d, c, h, ours, at, now)
	if p.Offer == nil && !p.going && p.Refused != wire.ReasonBusy {
		s.leave(d.ID)
	}
	return p
}

// choose fills in the plan once the last update is settled.
func (s *Service) choose(p *Plan, d *fleet.Device, c *fleet.Catalog, h wire.Hello, ours bool, at Occasion, now time.Time) {
	if !d.Flash.IsZero() {
		if _, ok := c.Find(d.Flash); !ok || d.Running.Equal(d.Flash) {
			d.Flash = fleet.Version{} // nothing left to do for it
		}
	}
	p.Target, p.Because, _ = precedence.Decide(precedence.Of(d), c)
	p.Why = string(p.Because)
	if !d.Flash.IsZero() {
		p.Flash, p.Target, p.Why = true, d.Flash, "flash"
	}
	u := &d.Update
	switch {
	case u.State == fleet.Applying: // it is about to restart: whatever is decided can wait for its Hello
		p.Why = "applying"
		return
	case !ours:
		p.refuse(answer{reason: wire.ReasonWrongProduct, detail: "runs firmware of product " + h.Product})
		s.supersede(p, d, now)
		return
	case p.Target.IsZero() || d.Running.Equal(p.Target):
		s.supersede(p, d, now)
		return
	}
	firmware, _ := c.Find(p.Target)
	if u.State.Running() && (!u.To.Equal(p.Target) || u.Digest != firmware.Digest) {
		s.supersede(p, d, now)
	}
	if !p.Flash && !d.Attempts.Target.Equal(p.Target) {
		d.Attempts = fleet.Attempts{Target: p.Target}
	}
	e := candidate{
		device: d, target: p.Target, firmware: firmware, flash: p.Flash, maxImage: h.MaxImage, now: now, rules: s.rules,
	}
	for _, g := range gates {
		if a := g.check(e); a.refused {
			p.refuse(a)
			return
		}
	}
	s.offer(p, d, firmware, h, at, now)
}

func (p *Plan) refuse(a answer) {
	p.Refused, p.Again, p.Why = a.reason, a.again, a.detail
}

// supersede ends d's running update, free of charge: its version is not the target any
// more.
func (s *Service) supersede(p *Plan, d *fleet.Device, now time.Time) {
	if !d.Update.State.Running() {
		return
	}
	p.stop = &wire.Stop{Image: d.Update.Digest.Image(), Reason: wire.ReasonSuperseded, Update: d.Update.ID}
	end(d, fleet.Superseded, wire.ReasonSuperseded, now)
	p.Past = append(p.Past, d.Update)
}

// offer plans a new update to f, or going on with the running one, if there is a slot.
func (s *Service) offer(p *Plan, d *fleet.Device, f fleet.Firmware, h wire.Hello, at Occasion, now time.Time) {
	goesOn := d.Update.State.Running()
	if goesOn && (at != AtHello && s.goesOn(d.ID, d.Update.ID) || at == AtHello && s.crossed(d, h, now)) {
		p.going = true
		return
	}
	if s.unreadable.lately(f.Digest, now) {
		p.refuse(answer{reason: wire.ReasonBusy, detail: "its image can't be read", again: jitter(s.cfg.BusyAgain)})
		return
	}
	if !s.enter(d) {
		p.refuse(answer{reason: wire.ReasonBusy, detail: s.crowded(d), again: jitter(s.cfg.BusyAgain)})
		return
	}
	if !goesOn {
		start(d, f, now)
	}
	if at == AtHello || !goesOn {
		d.Update.Next = held(h.Partial, f)
	}
	chunk := wire.ChunkSize(h.Chunk)
	o := wire.Offer{
		Update: d.Update.ID, Version: f.Version, Size: f.Size, Digest: f.Digest,
		Chunk: chunk, Count: wire.ChunkCount(f.Size, chunk), First: uint32(d.Update.Next / int64(chunk)),
	}
	if d.Update.Next >= f.Size {
		o.First = o.Count
	} else if d.Update.State == fleet.Stored { // it lost what it had stored
		d.Update.State, d.Update.Stored, d.Update.Changed = fleet.Offered, time.Time{}, now
	}
	if d.Kind == fleet.BLE && h.Caches {
		o.Cached, p.window = true, 0
	}
	p.Offer, p.repeat = &o, goesOn
}

// held is how many bytes of f's start the device kept by its own word.
func held(p *wire.Partial, f fleet.Firmware) int64 {
	if p == nil || p.Image != f.Digest.Image() {
		return 0
	}
	return min(int64(p.Next)*int64(p.Chunk), f.Size)
}

// jitter is d, half to one and a half times, so that devices don't come back together.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d) //nolint:gosec // it spreads load and hides nothing
}

// Exhausted reports whether d has spent all attempts at its target.
func (s *Service) Exhausted(d *fleet.Device) bool { return d.Attempts.Spent >= s.cfg.MaxAttempts }
