package precedence

import (
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Trace is the whole answer to "why": the target, the reason and the ordered steps.
type Trace struct {
	Target fleet.Version // zero: none
	Reason fleet.Reason
	Steps  []Step
}

// Rule names what a step looked at.
type Rule string

// The rules that decide, in order (docs/rules.md, "Firmware precedence"); a flash order
// stands above them.
const (
	RuleFlash       Rule = "flash"
	RuleDevelopment      = Rule(fleet.BecauseDevelopment)
	RuleLock             = Rule(fleet.BecauseLock)
	RuleGroup            = Rule(fleet.BecauseGroup)
	RuleDefault          = Rule(fleet.BecauseDefault)
)

// What stands between a target and the device that should run it, in order.
const (
	RuleRunning    Rule = "running"    // the version that runs
	RuleConnection Rule = "connection" // whether the device may connect
	RuleProduct    Rule = "product"    // the product that its firmware is for, where that is another
	RuleFirmware   Rule = "firmware"   // the first gate; RuleLimits is the last
	RuleHardware   Rule = "hardware"   // whether the firmware is for the device's revision
	RuleFloor      Rule = "floor"      // whether its security counter is high enough
	RuleRequires   Rule = "requires"   // whether it can be installed over what runs
	RuleHold       Rule = "hold"
	RuleAttempts   Rule = "attempts"
	RuleCoolDown   Rule = "cool-down"
	RuleSize       Rule = "size"
	RuleUpdates    Rule = "updates"  // whether the device takes updates
	RuleWindow     Rule = "window"   // whether the release's plan lets updates begin at this time
	RuleLimits     Rule = "limits"   // whether the release's plan lets one more device be updated
	RuleUpdate     Rule = "update"   // the last update to the target
	RuleCapacity   Rule = "capacity" // a slot of the server's
	RuleHandshake  Rule = "handshake"
	RuleImage      Rule = "image" // the target's file, where it can't be read
)

// Outcome is what came of a rule. That of RuleUpdate is the name of Step.State.
type Outcome string

// The outcomes of the rules that decide.
const (
	None       Outcome = "none"        // the rule does not concern the device
	Applies    Outcome = "applies"     // the rule decides
	PassedOver Outcome = "passed over" // it would, but a rule above it, or a higher version, decides
	Considered Outcome = "considered"  // a group with a release
	Wins       Outcome = "wins"        // the group whose release decides
)

// The outcomes of the other rules.
const (
	Unknown   Outcome = "unknown" // the device has not reported a version yet
	Kept      Outcome = "kept"    // there is no target
	Same      Outcome = "same"
	Differs   Outcome = "differs"
	Refused   Outcome = "refused" // the device can't connect
	Passes    Outcome = "passes"
	HoldsBack Outcome = "holds it back"
	HasSlot   Outcome = "has a slot"
	Waits     Outcome = "waits"
	NoneFree  Outcome = "none free"
	Free      Outcome = "free"
	Awaited   Outcome = "awaited"
)

// Share is a count of a total.
type Share struct{ Count, Of int64 }

// Staging is a release with a plan as it concerns one device; zero: none.
type Staging struct {
	Release fleet.ReleaseID
	Version fleet.Version // that it leads to
	State   fleet.ReleaseState
	Share   fleet.Share // that it has reached
	Place   fleet.Share // of the device; inside if it is below Share
	Inside  bool
	Devices int  // that it has reached in place of Share, by a stage of so many; else 0
	First   bool // it has reached a group in place of Share
}

// Step is one thing that was looked at, and what came of it. Fields a rule has no use for
// are zero.
type Step struct {
	Rule    Rule
	Outcome Outcome

	Version fleet.Version // of the lock, release, default or flash; otherwise the target
	Running fleet.Version // RuleRunning, RuleFloor, RuleRequires: what the device runs
	Label   fleet.Version // RuleRunning: what the device calls that, where its digest shows another version; else zero
	Proven  bool          // RuleRunning: its digest is that of Running's image
	Group   string        // RuleGroup: the name; "" for a hidden group and where no group has a release
	Hidden  bool          // RuleGroup: all groups that the asking user may not see, as one step
	Groups  int           // RuleGroup: groups the device is in, where none has a release
	Staged  Staging       // RuleGroup and RuleDefault: the release with a plan that stands there

	// At is when the last update started (RuleUpdate), when the last handshake was
	// (RuleHandshake, zero: never), when the cool-down ends (RuleCoolDown, zero: there is
	// none) or when the next window opens (RuleWindow, zero: the device's zone is not known).
	At       time.Time
	State    fleet.UpdateState // RuleUpdate: where it stands
	Attempt  int               // RuleUpdate: the number of the attempt
	Attempts Share             // RuleAttempts: spent, of the most allowed
	Bytes    Share             // RuleUpdate: sent, of the image; RuleSize: of the image, of what fits, 0 when not known
	Slots    Share             // RuleCapacity: in use, of all; zero where that is not shown
	Behind   Share             // RuleCapacity: in use behind the device's gateway, of the most allowed; zero without one
	Line     Share             // RuleCapacity: the device's place, of all that wait
	Places   Share             // RuleLimits: devices that the limit counts, and allows
	Counters Share             // RuleFloor: security counter of the image, of what runs
	Forced   bool              // RuleUpdates: an operator overrides the device's "not now"
	Reason   fleet.ReasonCode  // RuleUpdate: why it ended
	Product  string            // RuleProduct: its slug
	Text     string            // RuleUpdate: the device's own words for it; RuleLimits: the limit's name

	Hardware  string          // RuleHardware: the device's revision, "" when not known
	Condition string          // RuleHardware: revisions, RuleRequires: versions that the firmware is for
	Path      []fleet.Version // RuleRequires: what is installed one after the other, the target last; nil: directly, or no uploaded versions lead there
	Flash     bool            // RuleRequires: an operator sends the version itself, without those before it
}
