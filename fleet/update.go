package fleet

import "time"

// UpdateState is the state of one update.
type UpdateState uint8

// The states. From Confirmed on an update is over.
const (
	NoUpdate UpdateState = iota
	Offered              // the Offer was sent
	Downloading
	Stored   // the device has the whole image and verified it
	Applying // the device is about to restart into it
	Confirmed
	RolledBack
	Failed
	Superseded
	Stopped
)

var updateStates = [...]string{
	"", "offered", "downloading", "stored", "applying",
	"confirmed", "rolled_back", "failed", "superseded", "stopped",
}

func (s UpdateState) String() string { return updateStates[s] }

// ParseUpdateState is the inverse of String. Errors are Invalid.
func ParseUpdateState(s string) (UpdateState, error) {
	for i, name := range updateStates {
		if i > 0 && name == s {
			return UpdateState(i), nil
		}
	}
	return NoUpdate, FieldErrorf("state", "update state %.40q: use one of offered, downloading, stored, applying, confirmed, rolled_back, failed, superseded, stopped", s)
}

// Over reports whether an update in state s has ended.
func (s UpdateState) Over() bool { return s >= Confirmed }

// Running reports whether an update in state s is under way.
func (s UpdateState) Running() bool { return s > NoUpdate && s < Confirmed }

// Stoppable are the states of an update that can be stopped: a device that restarts into it can't be
// reached.
var Stoppable = []UpdateState{Offered, Downloading, Stored}

// ReasonCode is why something was refused, stopped or failed. Package wire lists the codes
// (docs/protocol.md, "Reason codes").
type ReasonCode uint16

// Update is one attempt to move one device from one version to another.
type Update struct {
	ID      UpdateID
	Product ProductID
	From    Version // what ran when it started; may be unreadable or none
	To      Version
	Goal    Version // the target that To is a stepping stone to; zero: To is the target
	Digest  Digest
	Size    int64 // bytes
	State   UpdateState
	Reason  ReasonCode // of the end, or of the last report
	Text    string     // what the device reported about it, at most 256 bytes
	Attempt int        // 1 for the first one at this target
	Next    int64      // bytes from the start of the image that the device is known to have
	Started time.Time
	Stored  time.Time // zero until it was
	Applied time.Time // when it reported applying; zero until it did
	Changed time.Time // last change of state
	Release ReleaseID // the release with a plan that gave To; 0: none
}

// Target returns the version that u leads to: Goal, or To where that is not a stepping stone.
func (u *Update) Target() Version {
	if u.Goal.IsZero() {
		return u.To
	}
	return u.Goal
}

// Attempts counts the attempts at a device's current target. It is reset when the target
// changes or an operator retries.
type Attempts struct {
	Target    Version
	Since     uint64 // revision of the catalog at which Target was last known to be the target
	Spent     int
	NotBefore time.Time     // end of the cool-down
	Pause     time.Duration // length of the cool-down: more than that is never left of it
	Transfers int           // whole images sent since the last attempt was spent, without a report of stored
	Held      bool          // an operator stopped it: no update until the target changes or an operator retries
	NoWay     bool          // at the last decision, no uploaded versions led to Target
}
