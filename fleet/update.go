package fleet

import "time"

// UpdateState is where one update stands.
type UpdateState uint8

// The states. From Confirmed on an update is over.
const (
	NoUpdate UpdateState = iota
	Offered              // the Offer went out
	Downloading
	Stored   // the device holds the whole image and checked it
	Applying // it is about to restart into it
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

// Running reports whether an update in state s goes on.
func (s UpdateState) Running() bool { return s > NoUpdate && s < Confirmed }

// ReasonCode is why something was refused, stopped or failed. The list is wire's:
// docs/protocol.md, "Reason codes".
type ReasonCode uint16

// Update is one try to move one device from one version to another.
type Update struct {
	ID      UpdateID
	Product ProductID
	From    Version // what ran when it started; may be unreadable or none
	To      Version
	Digest  Digest
	Size    int64 // bytes
	State   UpdateState
	Reason  ReasonCode // of the end, or of the last report
	Text    string     // what the device said about it, at most 256 bytes
	Attempt int        // 1 for the first try at this target
	Next    int64      // bytes the device is known to hold, from the image's start
	Started time.Time
	Stored  time.Time // zero until it was
	Applied time.Time // when it reported applying; zero until it did
	Changed time.Time // last change of state
}

// Attempts counts what the present target has cost a device. It starts anew when the
// target changes or an operator retries.
type Attempts struct {
	Target    Version
	Spent     int
	NotBefore time.Time // the cool-down's end
	Transfers int       // whole images sent since the last attempt was spent, without *stored*
	Held      bool      // an operator stopped it: nothing until the target changes or a retry
}
