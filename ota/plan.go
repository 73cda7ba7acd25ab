package ota

import (
	"math/rand/v2"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// Occasion is why a decision is made.
type Occasion uint8

// The occasions.
const (
	AtHello  Occasion = iota // the device said Hello
	AtChange                 // an operator changed something that takes effect at once
	AtSlot                   // Ready was called for the device
)

// Plan is the result of Decide: the answer to the device, and what Start is to do.
type Plan struct {
	Device  fleet.DeviceID
	Target  fleet.Version // zero: none
	Because fleet.Reason  // the rule behind Target
	Flash   bool          // Target is an operator's flash order, above the rules
	Why     string        // the reason in words, for the Welcome
	Refused fleet.ReasonCode
	Again   time.Duration  // with Refused: when the device may try again, 0 when waiting won't help
	Ended   []fleet.Update // updates that this decision ended
	Offer   *wire.Offer    // nil: nothing is offered
	NoWay   bool           // it was found out now that no uploaded versions lead to Target: Why says what is missing

	release  fleet.ReleaseID // the release with a plan that gave Target; 0: none
	revision uint64          // of the catalog
	product  fleet.ProductID
	gateway  fleet.DeviceID // a BLE device's, else ""
	team     fleet.TeamID
	window   uint32
	session  uint64
	atHello  bool       // it answers a Hello
	going    bool       // the running download stays as it is
	repeat   bool       // Offer continues a running update
	stop     *wire.Stop // ends a running download that no Offer replaces
}

// Welcome is the answer to the Hello with this boot nonce.
func (p Plan) Welcome(boot uint64) wire.Welcome {
	return wire.Welcome{Boot: boot, Time: time.Now(), Target: p.Target, Why: p.Why, Reason: p.Refused, Again: p.Again}
}

// Decide ends d's last update if Hello h shows how it ended (AtHello only), and decides by
// catalog c what d gets now: nothing, a new update, or more of the running one. h is the
// device's last Hello. It changes d accordingly and takes or frees d's slot, but sends
// nothing: after d is saved, Start carries out the plan. It may be called again on a fresh
// copy of d. It never blocks.
//
// For a BLE device h.Caches means that its gateway caches images: the Offer then repeats
// that and nothing is pushed; the gateway fetches the image itself (Fetch).
//
// A flash order stands above the rules, also for a development device, and is used up
// when its update ends. AtHello, d.Boot must be the boot nonce of the Hello before h.
func (s *Service) Decide(d *fleet.Device, c *fleet.Catalog, h wire.Hello, at Occasion) Plan {
	x := decision{Service: s, device: d, catalog: c, hello: h, at: at, now: time.Now(), plan: Plan{
		Device: d.ID, revision: c.Revision, product: d.Product, gateway: d.Gateway, team: d.Team, window: h.Window, session: d.Session, atHello: at == AtHello,
	}}
	precedence.Renew(d, c)
	if at == AtHello && s.rules.settle(d, c, h, x.now) {
		x.plan.Ended = append(x.plan.Ended, d.Update)
	}
	precedence.Renew(d, c) // settle may have counted an attempt at what is no longer the target
	if at == AtHello && !d.Attempts.Target.IsZero() {
		d.Attempts.Since = c.Revision
	}
	x.choose()
	if x.plan.Offer == nil && !x.plan.going && x.plan.Refused != wire.ReasonBusy {
		s.leave(d.ID)
	}
	if x.plan.Offer == nil {
		s.cfg.Pace.Drop(d.ID)
	}
	return x.plan
}

// decision is one run of Decide.
type decision struct {
	*Service
	device  *fleet.Device
	catalog *fleet.Catalog
	hello   wire.Hello
	at      Occasion
	now     time.Time
	plan    Plan
	crossed bool // the Hello and the Offer of the running update passed each other
}

// choose fills in the plan once the last update is settled.
func (x *decision) choose() {
	x.target()
	d, p := x.device, &x.plan
	if u := &d.Update; x.at != AtHello && u.State == fleet.Stopped && x.sends(d.ID, u.ID) { // it was not halted yet
		p.stop = &wire.Stop{Image: u.Digest.Image(), Reason: wire.ReasonStopped, Update: u.ID}
	}
	switch {
	case d.Update.State == fleet.Applying: // it is about to restart: its next Hello decides
		p.Why = "applying"
		if x.hello.Boot == 0 && x.at == AtHello { // only time can show whether it restarted
			p.refuse(wire.ReasonNotNow, wire.ApplyTimeout, p.Why)
		}
		return
	case foreign(x.hello, x.catalog):
		p.refuse(wire.ReasonWrongProduct, 0, precedence.Step{Rule: precedence.RuleProduct, Product: x.hello.Product}.String())
		x.supersede()
		return
	case p.Target.IsZero() || d.Running.Equal(p.Target):
		x.supersede()
		return
	}
	candidate := precedence.CandidateOf(d)
	candidate.Flash = p.Flash
	candidate.MaxImage, candidate.MaxAttempts, candidate.Now = x.hello.MaxImage, x.cfg.MaxAttempts, x.Now()
	candidate.Aim(x.catalog, p.Target)
	firmware, _ := candidate.Hop()
	if u := &d.Update; u.State.Running() && (!u.To.Equal(firmware.Version) || !u.Target().Equal(p.Target) || u.Digest != firmware.Digest) {
		x.supersede()
	}
	x.resume(firmware)
	x.follow(&candidate)
	refusal, held := candidate.Refusal()
	if !p.Flash {
		none := held && refusal.Step.Rule == precedence.RuleRequires
		p.NoWay, d.Attempts.NoWay = none && !d.Attempts.NoWay, none
	}
	if held {
		p.refuse(refusal.Reason, refusal.Again, refusal.Step.String())
		return
	}
	x.offer(firmware)
}

// follow makes c follow the plan of the release that gives its target, if one does.
func (x *decision) follow(c *precedence.Candidate) {
	d := x.device
	r, staged := x.catalog.Release(x.plan.release)
	if !staged {
		return
	}
	c.By(&r)
	c.Begun = d.Update.State.Running()
	c.Room = func() precedence.Full {
		return x.cfg.Pace.Take(pace.Key{Product: d.Product, Release: r.ID}, r.Plan.Limits, pace.DeviceOf(d), x.now)
	}
}

// foreign reports whether h comes from firmware of another product than c's.
func foreign(h wire.Hello, c *fleet.Catalog) bool {
	return h.Product != "" && h.Product != c.Product.Slug
}

// target sets what the device should run: a flash order, or what the rules decide.
func (x *decision) target() {
	d, p := x.device, &x.plan
	if !d.Flash.IsZero() {
		if _, ok := x.catalog.Find(d.Flash); !ok || d.Running.Equal(d.Flash) {
			d.Flash = fleet.Version{} // nothing is left to do for it
		}
	}
	facts := precedence.Of(d)
	target, because, winner := precedence.Decide(facts, x.catalog)
	p.Target, p.Because, p.Why = target, because, string(because)
	if !d.Flash.IsZero() {
		p.Flash, p.Target, p.Why = true, d.Flash, "flash"
		return
	}
	p.release = precedence.Staged(facts, x.catalog, target, because, winner)
}

func (p *Plan) refuse(reason fleet.ReasonCode, again time.Duration, why string) {
	p.Refused, p.Again, p.Why = reason, again, why
}

// supersede ends the running update, at no cost, because its version is not the target any
// more.
func (x *decision) supersede() {
	u := &x.device.Update
	switch {
	case u.State == fleet.Superseded && x.sends(x.device.ID, u.ID): // by a decision that was saved and is made again, by a newer catalog
		x.plan.stop = &wire.Stop{Image: u.Digest.Image(), Reason: wire.ReasonSuperseded, Update: u.ID}
		return
	case !u.State.Running():
		return
	}
	x.plan.stop = &wire.Stop{Image: u.Digest.Image(), Reason: wire.ReasonSuperseded, Update: u.ID}
	end(x.device, fleet.Superseded, wire.ReasonSuperseded, x.now)
	x.plan.Ended = append(x.plan.Ended, *u)
}

// offer plans a new update to f, the target or a stepping stone to it, or to continue the running one, if a slot is free.
func (x *decision) offer(f fleet.Firmware) {
	d, p, h := x.device, &x.plan, x.hello
	continues := d.Update.State.Running()
	if continues && (x.crossed || x.at != AtHello && x.isSending(d.ID, d.Update.ID)) {
		p.going = true
		return
	}
	if x.chunker.Failing(f.Digest, x.now) {
		x.await(d.ID, f.Digest)
		p.refuse(wire.ReasonBusy, jitter(x.cfg.BusyAgain), precedence.Step{Rule: precedence.RuleImage}.String())
		return
	}
	if !x.enter(d) {
		p.refuse(wire.ReasonBusy, jitter(x.cfg.BusyAgain), x.crowded(d))
		return
	}
	if !continues {
		start(d, f, p.Target, p.release, x.now)
		d.Update.Next = held(x.partial(), f)
	}
	chunk := wire.ChunkSize(h.Chunk)
	o := wire.Offer{
		Update: d.Update.ID, Version: f.Version, Size: f.Size, Digest: f.Digest,
		Chunk: chunk, Count: wire.ChunkCount(f.Size, chunk), First: uint32(d.Update.Next / int64(chunk)),
	}
	if d.Update.Next >= f.Size {
		o.First = o.Count
	}
	if d.Kind == fleet.BLE && h.Caches {
		o.Cached, p.window = true, 0
	}
	p.Offer, p.repeat = &o, continues
}

// resume continues the running update to f from where the device is by its Hello, also if that is not now.
func (x *decision) resume(f fleet.Firmware) {
	d := x.device
	if x.at != AtHello || !d.Update.State.Running() {
		return
	}
	if x.crossed = x.passed(d, x.hello, x.now); x.crossed {
		return
	}
	d.Update.Next = held(x.partial(), f)
	if d.Update.Next < f.Size && d.Update.State == fleet.Stored { // it lost what it had stored
		d.Update.State, d.Update.Stored, d.Update.Changed = fleet.Offered, time.Time{}, x.now
	}
}

// held is how many bytes of f, from its start, the device has kept according to p.
func held(p *wire.Partial, f fleet.Firmware) int64 {
	if p == nil || p.Image != f.Digest.Image() {
		return 0
	}
	return min(int64(p.Next)*int64(p.Chunk), f.Size)
}

// jitter is d, half to one and a half times, so that devices don't all return together.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d) //nolint:gosec // it spreads load and hides nothing
}
