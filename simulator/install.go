package simulator

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// staged is a checked image the next boot starts.
type staged struct {
	update  fleet.UpdateID
	version fleet.Version
	digest  fleet.Digest
	bytes   []byte
}

// complete checks the image, a slow device once it stored all of it.
func (m *model) complete(now time.Time) {
	m.wantAt, m.paceAt = time.Time{}, time.Time{}
	if m.update.freeAt.After(now) {
		m.stepAt = m.update.freeAt
		return
	}
	m.step(now)
}

// step continues after what a state waited for.
func (m *model) step(now time.Time) {
	switch m.state {
	case Downloading:
		m.verify(now)
	case Stored:
		m.apply(now)
	case Applying: // no PUBACK in wire.ApplyTimeout
		m.do = restart
	case Idle:
	}
}

func (m *model) verify(now time.Time) {
	if m.loses(StageVerify) {
		return
	}
	digest := fleet.Digest(m.kept.hash.Sum(nil))
	switch {
	case digest != m.update.offer.Digest:
		m.fail(wire.ReasonDigest, "the SHA-256 is "+digest.String())
		return
	case m.plan.failAt == StageVerify:
		m.fail(wire.ReasonDigest, "simulated: verification")
		return
	case m.loses(StageStore):
		return
	case m.plan.failAt == StageStore:
		m.fail(wire.ReasonStorage, "simulated: storing the image")
		return
	}
	m.report(toNothing, wire.Report{State: wire.ReportStored})
	m.state = Stored
	if m.profile.ApplyTime > 0 {
		m.stepAt = now.Add(m.profile.ApplyTime)
		return
	}
	m.apply(now)
}

// apply reports that the device is about to restart, and waits for the acknowledgement.
func (m *model) apply(now time.Time) {
	o := m.update.offer
	m.staged = &staged{update: o.Update, version: o.Version, digest: o.Digest, bytes: m.kept.bytes}
	m.report(toApplying, wire.Report{State: wire.ReportApplying})
	m.state, m.stepAt = Applying, now.Add(wire.ApplyTimeout)
	m.loses(StageApply)
}

// install is the boot loader: it starts what is staged, or falls back.
func (m *model) install() {
	s := m.staged
	if s == nil {
		return
	}
	m.staged, m.kept = nil, kept{}
	switch {
	case m.plan.failAt == StageApply:
		m.last = &wire.Outcome{Update: s.update, Result: wire.OutcomeFailed, Reason: wire.ReasonOther}
		m.stats.Failed++
		m.ended = "failed: simulated: installing"
	case m.plan.revert:
		m.last = &wire.Outcome{Update: s.update, Result: wire.OutcomeRolledBack, Reason: wire.ReasonRolledBack}
		m.stats.RolledBack++
		m.ended = "rolled back"
	default:
		m.last = &wire.Outcome{Update: s.update, Result: wire.OutcomeConfirmed}
		m.running, m.digest, m.image = s.version, s.digest, s.bytes
		m.stats.Confirmed++
		m.ended = "confirmed"
	}
}

// loses lets a power loss of stage happen, once per update.
func (m *model) loses(stage Stage) bool {
	if m.plan.powerLoss != stage {
		return false
	}
	m.plan.powerLoss, m.do = NoStage, cut
	return true
}

// report reports the progress of the update.
func (m *model) report(a answer, r wire.Report) {
	r.Image, r.Update = m.update.offer.Image(), m.update.offer.Update
	m.emit(send{kind: wire.TopicReport, qos: 1, answer: a, payload: r.Encode()})
}

// fail ends the update: the device keeps what it runs and forgets the image.
func (m *model) fail(reason fleet.ReasonCode, text string) {
	m.report(toFailed, wire.Report{State: wire.ReportFailed, Reason: reason, Text: text})
	m.last = &wire.Outcome{Update: m.update.offer.Update, Result: wire.OutcomeFailed, Reason: reason}
	m.stats.Failed++
	m.kept = kept{}
	m.abandon("failed: " + wire.ReasonText(reason) + ": " + text)
}

// stop ends the update it names unless the device is about to restart. What was received
// is kept: the same image may be offered again.
func (m *model) stop(now time.Time, payload []byte) {
	s, err := wire.DecodeStop(payload)
	if err != nil {
		m.stats.Malformed++
		return
	}
	u := m.update
	mine := u != nil && s.Image == u.offer.Image() && (s.Update == fleet.UpdateID{} || s.Update == u.offer.Update)
	if mine && m.state != Applying {
		m.stats.Stops++
		m.abandon("stopped: " + wire.ReasonText(s.Reason))
	} else {
		m.stats.Strays++
	}
	if s.Reason == wire.ReasonNotNow {
		m.askedForHello(now)
	}
}

func (m *model) abandon(how string) {
	m.state, m.update, m.ended = Idle, nil, how
	m.wantAt, m.paceAt, m.stepAt = time.Time{}, time.Time{}, time.Time{}
	if m.hello { // a Hello that waited for the update's chunks waits no more
		m.hello, m.rehelloAt = false, overdue
	}
}
