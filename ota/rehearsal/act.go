package rehearsal

import (
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// untilHello is how long d waits for its next regular Hello.
func (x *rehearsal) untilHello(d *device) time.Duration {
	if d.lastHello.IsZero() {
		return time.Duration(float64(d.ID.Hash()) / (1 << 32) * float64(x.hello))
	}
	return x.hello - x.now.Sub(d.lastHello)%x.hello
}

func (x *rehearsal) target(d *device) (target fleet.Version, by fleet.ReleaseID) {
	facts := precedence.Of(&d.Device)
	target, reason, winner := precedence.Decide(facts, x.catalog)
	return target, precedence.Staged(facts, x.catalog, target, reason, winner)
}

// decide is what the server does when d says Hello, or is re-evaluated.
func (x *rehearsal) decide(d *device) {
	precedence.Renew(&d.Device, x.catalog)
	target, by := x.target(d)
	if !d.online || d.Disabled || d.Update.State.Running() || !target.Valid() || target.Equal(d.Running) {
		return
	}
	candidate := precedence.CandidateOf(&d.Device)
	candidate.MaxAttempts, candidate.Now = x.maxAttempts, x.now
	candidate.Aim(x.catalog, target)
	firmware, _ := candidate.Hop()
	if r, staged := x.catalog.Release(by); staged {
		candidate.By(&r)
		candidate.Room = func() precedence.Full {
			return x.pace.Take(pace.Key{Product: d.Product, Release: by}, r.Plan.Limits, pace.DeviceOf(&d.Device), x.now)
		}
	}
	if refusal, held := candidate.Refusal(); held {
		x.pace.Drop(d.ID)
		if refusal.Again > 0 {
			x.after(refusal.Again, d, (*rehearsal).decide)
		}
		x.put(d)
		return
	}
	if x.slots > 0 && x.sending >= x.slots {
		x.pace.Drop(d.ID)
		if !slices.Contains(x.line, d) {
			x.line = append(x.line, d)
		}
		return
	}
	x.life.Start(&d.Device, firmware, target, by)
	x.pace.Began(d.ID)
	x.download(d, firmware)
	x.put(d)
}

// download has d store its image later, as fast as its link and the server's rate allow now.
func (x *rehearsal) download(d *device, f fleet.Firmware) {
	speed := d.speed
	if x.rate > 0 {
		speed = min(speed, max(x.rate-x.speed, x.rate/float64(x.sending+1)))
	}
	d.touched = true
	d.going = max(speed, 1)
	x.sending++
	x.speed += d.going
	x.peak = max(x.peak, x.speed)
	took := time.Duration(float64(f.Size) / d.going * float64(time.Second))
	if d.fails(AtDownload) {
		x.after(took/2, d, func(x *rehearsal, d *device) { x.failed(d, wire.ReasonStorage) })
		return
	}
	x.after(max(took, time.Second), d, (*rehearsal).stored)
}

// fails reports whether d's running update fails in a phase.
func (d *device) fails(phase Phase) bool {
	if d.fault == "" && d.unsteady > 0 && phase == AtVerify {
		return fleet.Place(d.ID.Hash(), 0x5eed+uint64(d.Update.Attempt)) < d.unsteady //nolint:gosec // small
	}
	return d.fault == phase
}

// drop frees d's slot, and gives it to the next one in the line.
func (x *rehearsal) drop(d *device) {
	x.sending--
	x.speed = max(x.speed-d.going, 0)
	if len(x.line) > 0 {
		next := x.line[0]
		x.line = x.line[1:]
		x.after(0, next, (*rehearsal).decide)
	}
}

func (x *rehearsal) failed(d *device, reason fleet.ReasonCode) {
	x.drop(d)
	x.life.Report(&d.Device, wire.ReportFailed, reason)
	d.failures++
	x.put(d)
	x.decide(d) // when it may try again
}

func (x *rehearsal) stored(d *device) {
	x.sent += d.Update.Size
	if d.fails(AtVerify) {
		x.failed(d, wire.ReasonDigest)
		return
	}
	x.drop(d)
	x.life.Report(&d.Device, wire.ReportStored, wire.ReasonNone)
	x.life.Report(&d.Device, wire.ReportApplying, wire.ReasonNone)
	x.put(d)
	d.online = false
	x.index.SetOnline(d.ID, false)
	if d.fails(AtReturn) {
		d.lost = true
		return
	}
	x.after(d.restart, d, (*rehearsal).returns)
}

// returns has d connect and say Hello, after a restart with what it applied.
func (x *rehearsal) returns(d *device) {
	d.online, d.lastHello = true, x.now
	runs, applied := d.Running, d.Update.State == fleet.Applying
	if applied && !d.fails(AtApply) {
		runs = d.Update.To
	}
	if x.life.Hello(&d.Device, x.catalog, runs) {
		switch {
		case d.Update.State != fleet.Confirmed:
			d.failures++
		case d.Running.Equal(x.version):
			d.done = x.now.Sub(x.began)
		}
	}
	x.put(d)
	x.index.SetOnline(d.ID, true)
	x.decide(d)
}

func (x *rehearsal) put(d *device) { x.index.Put(&d.Device) }
