package fleet

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/calendar"
)

// ReleaseID numbers a release with a plan within its product; 0 means none.
type ReleaseID uint32

func (id ReleaseID) String() string { return strconv.FormatUint(uint64(id), 10) }

// Share is a part of a release's devices, in ten-thousandths.
type Share uint16

// Whole is the share of a release that reaches every device of its target.
const Whole Share = 10_000

// String spells s in percent, as in "12.5 %".
func (s Share) String() string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(float64(s)/100, 'f', 2, 64), "0"), ".") + " %"
}

// ParseShare reads a percentage with up to two decimals, as in "12.5%". Errors are Invalid.
func ParseShare(text string) (Share, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	number = strings.TrimSpace(number)
	whole, decimals, _ := strings.Cut(number, ".")
	n, err := strconv.ParseUint(whole+(decimals + "00")[:2], 10, 16)
	if !percent || err != nil || whole == "" || len(decimals) > 2 || n > uint64(Whole) || strings.HasSuffix(number, ".") {
		return 0, Errorf(Invalid, "%.40q is not a share: use a percentage from 0%% to 100%%, such as 10%% or 0.5%%", text)
	}
	return Share(n), nil
}

// ParseRate reads devices per minute or hour, as in "500/min" or "100/h", and returns them per hour.
// Errors are Invalid.
func ParseRate(text string) (hourly int, err error) {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 24)
	switch unit = strings.TrimSpace(unit); {
	case err != nil || n == 0:
	case unit == "min":
		return int(n) * 60, nil
	case unit == "h":
		return int(n), nil
	}
	return 0, Errorf(Invalid, "%.40q is not a rate: use devices per minute or hour, such as 500/min or 100/h", text)
}

// RateText is the inverse of ParseRate.
func RateText(hourly int) string {
	if hourly%60 == 0 {
		return strconv.Itoa(hourly/60) + "/min"
	}
	return strconv.Itoa(hourly) + "/h"
}

// Hash returns the first four bytes of the SHA-256 of the id alone: what a release's salt is mixed with
// to place the device (docs/adr/0023).
func (id DeviceID) Hash() uint32 {
	sum := sha256.Sum256([]byte(id.String()))
	return binary.BigEndian.Uint32(sum[:])
}

// Release is a release with a plan: it reaches a share of its target's devices, which grows by
// stages. A release without a plan is only a version in the Catalog.
type Release struct {
	ID      ReleaseID
	Group   GroupID // its target; 0: the product default
	Version Version
	Base    Version  // what the target gives devices outside the share; zero: nothing
	Under   *Release // the release with a plan that stood there before, which decides in place of Base; nil: none
	Share   Share
	Few     uint32  // not 0: devices with a Mix below it are inside too, by a stage of so many devices
	First   GroupID // not 0: the members of this group are inside too
	Salt    uint64
	Plan    ReleasePlan
	State   ReleaseState
	Stage   int           // of Plan.Stages
	Held    time.Duration // how long the stage has been observed
	Forgive ReleaseFaults // faults from before it was resumed, which don't count for a halt
	Why     string        // what led to State, in words; "" where State says it all
	Alert   bool          // it stopped by itself, and its alert is not raised yet
	By      string        // who made it: an e-mail address
	Now     bool          // devices that are online get it at once at each stage
	Created time.Time
	Changed time.Time // last change of State, Stage or Share
}

// ReleaseState is where a release with a plan stands.
type ReleaseState uint8

// The states. From ReleaseDone on a release has ended.
const (
	ReleaseScheduled ReleaseState = iota + 1 // its start is still to come
	ReleaseRunning                           // a stage is being held
	ReleaseWaiting                           // the stage was held; the gate, or an approval, is missing
	ReleasePaused                            // by an operator: the share stays, updates continue
	ReleaseHalted                            // the share stays, and no device updates any more
	ReleaseReverting                         // updated devices return to what stood there before
	ReleaseDone                              // it reached every device
	ReleaseReverted                          // every device has returned
	ReleaseReplaced                          // another version was released in its place
	ReleaseWithdrawn                         // it was taken back
)

var releaseStates = [...]string{
	"", "scheduled", "running", "waiting", "paused", "halted", "reverting", "done", "reverted", "replaced", "withdrawn",
}

func (s ReleaseState) String() string { return releaseStates[s] }

// Over reports whether a release in state s has ended.
func (s ReleaseState) Over() bool { return s >= ReleaseDone }

// ReleasePlan is how a release grows, and what stops it.
type ReleasePlan struct {
	Start   time.Time // zero: at once
	Stages  []ReleaseStage
	Sample  int   // ended updates that the gate and a share of Halt need
	Gate    Share // confirmed updates, of those that ended, that the next stage takes; 0: no gate
	Halt    ReleaseHalt
	Revert  bool              // a halt takes the release back
	Ask     bool              // a halt waits for a person's decision; not with Revert
	Windows []calendar.Window // when updates may begin; none: always
	Limits  ReleaseLimits
	Spread  bool // a small first stage is spread over hardware revisions, versions that run, and gateways
}

// ReleaseStage is one step of a plan: it reaches a share, a number, or a group of the target's
// devices, and all those that earlier stages reached.
type ReleaseStage struct {
	Share   Share
	Devices int           // not 0: this many, those with the lowest places
	Group   GroupID       // not 0: the members of this group
	Hold    time.Duration // observed time before the next stage
	Approve bool          // the next stage takes a person's approval
}

// ReleaseLimits bound how many devices a release updates. Zero fields set no limit.
type ReleaseLimits struct {
	AtOnce int   // devices being updated by the release at the same time
	Hourly int   // devices begun in an hour
	Most   int   // to which Hourly grows by half with each batch that succeeds; 0: it does not grow
	Behind int   // devices being updated, by whatever, behind each gateway
	Group  Share // devices being updated, by whatever, of the online members of each group; at least one is allowed
}

// ReleaseHalt is what halts a release. Zero bars don't apply.
type ReleaseHalt struct {
	Failures  Bar           // updates that failed or were rolled back
	Lost      Bar           // devices not heard of within Return after they restarted into the version
	Return    time.Duration // see Lost
	Unhealthy Bar           // updated devices with alerts or many handshakes within Soak, above what devices that were not updated have
	Soak      time.Duration // see Unhealthy
}

// Bar is a limit on devices: more than a share of those whose update ended, or at least a
// number of them.
type Bar struct {
	Share   Share
	Devices int
}

// ReleaseFaults counts what speaks against a release.
type ReleaseFaults struct{ Failed, Lost, Unhealthy int }

// Place is where a device stands in the release, from 0 to Whole-1. It depends on nothing but
// the device and the release, and is uniform over devices.
func Place(hash uint32, salt uint64) Share {
	return Share(uint64(Mix(hash, salt)) * uint64(Whole) >> 32)
}

// Mix returns the place as Place does, in steps of 2^-32.
func Mix(hash uint32, salt uint64) uint32 {
	x := uint64(hash) ^ salt // the finalizer of MurmurHash3: every bit of x changes half of the result's
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return uint32(x >> 32)
}

// Place is where the device with this hash stands in r.
func (r *Release) Place(hash uint32) Share { return Place(hash, r.Salt) }

// Below is the border inside r's devices: those with a lower Mix are inside.
func (r *Release) Below() uint64 {
	share := (uint64(r.Share)<<32 + uint64(Whole) - 1) / uint64(Whole)
	return max(share, uint64(r.Few))
}

// Includes reports whether the device with this hash, in these groups, is inside.
func (r *Release) Includes(hash uint32, groups []GroupID) bool {
	return uint64(Mix(hash, r.Salt)) < r.Below() || r.First != 0 && slices.Contains(groups, r.First)
}

// For returns what r's target gives the device with this hash, in these groups, zero for
// nothing. While r is halted, only devices that run its version keep it.
func (r *Release) For(hash uint32, groups []GroupID, running Version) Version {
	if r.Includes(hash, groups) && (r.State != ReleaseHalted || running.Equal(r.Version)) {
		return r.Version
	}
	if r.Under != nil {
		return r.Under.For(hash, groups, running)
	}
	return r.Base
}

// Reached spells how many devices r has reached, as in "10 %", "20 devices" or "its first group".
func (r *Release) Reached() string {
	if r.State != ReleaseScheduled && r.Stage < len(r.Plan.Stages) {
		switch stage := r.Plan.Stages[r.Stage]; {
		case stage.Devices > 0 && r.Few > 0:
			return strconv.Itoa(stage.Devices) + " devices"
		case stage.Group != 0 && r.First != 0:
			return "its first group"
		}
	}
	return r.Share.String()
}

// CarefulPlan is the plan of someone who has no other: 1 % for a day, 10 % for a day, 50 % for
// four hours, and then everyone, with bars that few releases without a fault reach.
func CarefulPlan() ReleasePlan {
	const day = 24 * time.Hour
	return ReleasePlan{
		Stages: []ReleaseStage{{Share: 100, Hold: day}, {Share: 1000, Hold: day}, {Share: 5000, Hold: 4 * time.Hour}, {Share: Whole, Hold: day}},
		Sample: 20, Gate: 9800,
		Halt: ReleaseHalt{Failures: Bar{Share: 500}, Lost: Bar{Share: 200}, Return: 30 * time.Minute},
	}
}

// Clone copies p with its stages and windows.
func (p ReleasePlan) Clone() ReleasePlan {
	p.Stages, p.Windows = slices.Clone(p.Stages), slices.Clone(p.Windows)
	return p
}
