package precedence

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// The causes that are neither an obstacle, nor something of a release's plan, nor the state of a
// running update.
const (
	CauseFailed    = "failed"    // the last attempt failed, and another follows
	CauseOffline   = "offline"   // nothing else is in the way
	CauseHandshake = "handshake" // it is online: its next handshake brings the update
)

// CandidateFor takes the candidate for target, of catalog c, from a device's index entry. Attempts
// from before the target changed don't count.
func CandidateFor(e *fleet.IndexEntry, c *fleet.Catalog, target fleet.Version) Candidate {
	d := CandidateOfEntry(e)
	d.Aim(c, target)
	if (e.Held || e.Spent > 0) && Moved(OfEntry(e), c, e.AttemptsSince, target) {
		d.Attempts = fleet.Attempts{}
	}
	return d
}

// Cause returns why c's device, whose index entry is e, does not run its target yet: the state of
// the update to it that is under way, what Obstacle or Waits return, or one of the causes above. It
// needs CandidateFor, MaxAttempts and, where a release with a plan gives the target, By, Room and
// Now.
func (c *Candidate) Cause(e *fleet.IndexEntry) string {
	if e.Update.Running() && e.UpdateTarget.Equal(c.Target) {
		return e.Update.String()
	}
	if obstacle := c.Obstacle(); obstacle != "" {
		return obstacle
	}
	switch {
	case Failed(e, c.Target):
		return CauseFailed
	case !e.Online:
		return CauseOffline
	}
	if waits := c.Waits(); waits != "" {
		return waits
	}
	return CauseHandshake
}

// Failed reports whether an update of e's device to version failed through the device, and it
// does not run the version: also while it tries again, and after its attempts were reset.
func Failed(e *fleet.IndexEntry, version fleet.Version) bool {
	if e.Running.Equal(version) {
		return false
	}
	spent := e.Spent > 0 && e.AttemptsFor.Equal(version)
	ended := e.UpdateTarget.Equal(version) && (e.Update == fleet.Failed || e.Update == fleet.RolledBack) && !wire.Free(e.Reason)
	return spent || ended
}
