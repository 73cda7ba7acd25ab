package fleet

// Concern is why a device needs attention: it does not run its target, and that does not change
// by itself at once. A device has one concern at most.
type Concern string

// The concerns, in the order in which they are looked at.
const (
	NeverConnected Concern = "never"     // it was never heard of
	Cut            Concern = "disabled"  // its target differs, and it can't connect
	HeldBack       Concern = "held"      // an operator stopped its update
	Exhausted      Concern = "exhausted" // all attempts failed
	Declines       Concern = "not_now"   // it takes no updates
	Retrying       Concern = "failed"    // the last attempt failed; another follows
	Behind         Concern = "behind"    // nothing has been tried yet: it waits for its handshake
)

// Concerns are all concerns, in order.
var Concerns = []Concern{NeverConnected, Cut, HeldBack, Exhausted, Declines, Retrying, Behind}
