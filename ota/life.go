package ota

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// rules are the numbers of an update's life.
type rules struct {
	maxAttempts int
	coolDown    []time.Duration
	clock       clock
}

const (
	// fullTransfers without *stored* count as one attempt (docs/protocol.md, "Flow").
	fullTransfers = 3
	// applyLimit is how long a device may stay in one boot after it reported applying;
	// then the update has timed out, at no cost.
	applyLimit = 30 * time.Minute
)

// byVersionOnly is the text of an update that was confirmed by a device that reports no digest.
const byVersionOnly = "by version only: the device reports no digest of what it runs"

// settle ends d's last update if Hello h shows how it ended, and reports whether it did.
// d.Running is already h's; d.Boot is that of the Hello before. Firmware of another product
// than c's confirms nothing.
func (r rules) settle(d *fleet.Device, c *fleet.Catalog, h wire.Hello, now time.Time) (ended bool) {
	u := &d.Update
	elapsed := r.clock.now()
	if u.Applied.After(elapsed) { // the clock went back while the server was down
		u.Applied = elapsed
	}
	applying := elapsed.Sub(u.Applied)
	outcome := wire.OutcomeCode(0)
	var reason fleet.ReasonCode
	if h.Last != nil && h.Last.Update == u.ID {
		outcome, reason = h.Last.Result, h.Last.Reason
	}
	ours := !foreign(h, c)
	runs := ours && d.Running.Equal(u.To)
	rebooted := h.Boot == 0 || h.Boot != d.Boot
	fellBack := outcome == wire.OutcomeRolledBack || d.Running == u.From || d.Running.Equal(u.From)
	switch {
	case u.State.Running() && runs:
		if !d.Proven {
			u.Text = byVersionOnly
		}
		end(d, fleet.Confirmed, wire.ReasonNone, now)
	case u.State.Running() && ours && d.Differs && h.Version.Equal(u.To) && d.Running != u.From:
		u.Text = "it reports version " + h.Version.String() + " with other bytes than were uploaded"
		r.fail(d, wire.ReasonDigest, now)
	case u.State == fleet.Confirmed && !runs && ours && rebooted && fellBack:
		r.spend(d)
		end(d, fleet.RolledBack, wire.ReasonRolledBack, now)
	case !u.State.Running():
		return false
	case outcome == wire.OutcomeRolledBack:
		r.spend(d)
		end(d, fleet.RolledBack, orRolledBack(reason), now)
	case outcome == wire.OutcomeFailed:
		r.fail(d, reason, now)
	case u.State == fleet.Applying && h.Boot == 0 && applying < wire.ApplyTimeout:
		return false // it may still wait for the acknowledgement of *applying*, over a new connection
	case u.State == fleet.Applying && rebooted:
		r.spend(d)
		end(d, fleet.RolledBack, wire.ReasonRolledBack, now)
	case u.State == fleet.Applying && applying > applyLimit:
		end(d, fleet.Failed, wire.ReasonTimedOut, now)
	default:
		return false
	}
	return true
}

func orRolledBack(reason fleet.ReasonCode) fleet.ReasonCode {
	if reason == wire.ReasonNone {
		return wire.ReasonRolledBack
	}
	return reason
}

// end closes d's update. That uses up a flash order for its version.
func end(d *fleet.Device, state fleet.UpdateState, reason fleet.ReasonCode, now time.Time) {
	d.Update.State, d.Update.Reason, d.Update.Changed = state, reason, now
	if d.Flash.Equal(d.Update.To) {
		d.Flash = fleet.Version{}
	}
}

// fail closes d's update as failed for reason, which may cost an attempt.
func (r rules) fail(d *fleet.Device, reason fleet.ReasonCode, now time.Time) {
	if !wire.Free(reason) {
		r.spend(d)
	}
	if reason == wire.ReasonRolledBack {
		end(d, fleet.RolledBack, reason, now)
		return
	}
	end(d, fleet.Failed, reason, now)
}

// spend counts one attempt at the target of d's running update, whichever stepping stone it was at.
// A flash costs none: it is one act of an
// operator, not a target that is tried again.
func (r rules) spend(d *fleet.Device) {
	if d.Flash.Equal(d.Update.To) {
		return
	}
	a := &d.Attempts
	if target := d.Update.Target(); !a.Target.Equal(target) {
		*a = fleet.Attempts{Target: target}
	}
	a.Spent++
	a.Transfers = 0
	a.Pause = r.coolDown[min(a.Spent, len(r.coolDown))-1]
	a.NotBefore = r.clock.now().Add(a.Pause)
}

// transferred counts more whole transfers of d's running update that were not followed by
// *stored*, total of them since the download started, and reports whether that ended it.
func (r rules) transferred(d *fleet.Device, more, total int, now time.Time) (ended bool) {
	if !d.Flash.Equal(d.Update.To) {
		a := &d.Attempts
		if target := d.Update.Target(); !a.Target.Equal(target) {
			*a = fleet.Attempts{Target: target}
		}
		a.Transfers += more
		total = a.Transfers
	}
	if total < fullTransfers {
		return false
	}
	d.Update.Text = "sent in full three times and never stored"
	r.fail(d, wire.ReasonOther, now)
	return true
}

// start begins a new update of d to f, on the way to target, which release gave it; 0: none.
func start(d *fleet.Device, f fleet.Firmware, target fleet.Version, release fleet.ReleaseID, now time.Time) {
	d.Update = fleet.Update{
		ID: fleet.NewUpdateID(), Product: d.Product, From: d.Running, To: f.Version, Digest: f.Digest, Size: f.Size,
		State: fleet.Offered, Attempt: 1, Started: now, Changed: now, Release: release,
	}
	if !f.Version.Equal(target) {
		d.Update.Goal = target
	}
	if d.Attempts.Target.Equal(target) {
		d.Update.Attempt += d.Attempts.Spent
	}
}

// report applies a device's Report about its running update to d, and returns whether that
// changed anything and whether it ended the update. A state that the update has passed
// changes nothing. chunk is the size that a position counts in, 0 when not known.
func (r rules) report(d *fleet.Device, p wire.Report, chunk uint32, now time.Time) (changed, ended bool) {
	u := &d.Update
	switch p.State {
	case wire.ReportDownloading:
		next := u.Next
		if chunk > 0 {
			next = min(int64(p.Next)*int64(chunk), u.Size)
		}
		if u.State > fleet.Downloading || u.State == fleet.Downloading && next == u.Next {
			return false, false
		}
		if u.State != fleet.Downloading {
			u.State, u.Changed = fleet.Downloading, now
		}
		u.Next = next
	case wire.ReportStored:
		if u.State >= fleet.Stored {
			return false, false
		}
		stored(d, now)
	case wire.ReportApplying:
		if u.State >= fleet.Applying {
			return false, false
		}
		stored(d, now)
		u.State, u.Applied = fleet.Applying, r.clock.now()
	case wire.ReportFailed:
		u.Text = p.Text
		r.fail(d, p.Reason, now)
		return true, true
	}
	return true, false
}

func stored(d *fleet.Device, now time.Time) {
	u := &d.Update
	if u.Stored.IsZero() {
		u.Stored = now
	}
	u.State, u.Changed, u.Next = fleet.Stored, now, u.Size
	if d.Attempts.Target.Equal(u.Target()) {
		d.Attempts.Transfers = 0
	}
}
