package fleet

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReleaseID numbers a release with a plan within its product; 0 is none.
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

// Hash returns the first four bytes of the SHA-256 of id: what a release's salt is mixed with
// to place the device (docs/adr/0023).
func (id DeviceID) Hash() uint32 {
	sum := sha256.Sum256([]byte(id))
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
	Salt    uint64
	Plan    ReleasePlan
	State   ReleaseState
	Stage   int           // of Plan.Stages
	Held    time.Duration // how long the stage has been observed
	Forgive ReleaseFaults // faults from before it was resumed, which don't count for a halt
	Why     string        // what led to State, in words; "" where State says it all
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
	Start  time.Time // zero: at once
	Stages []ReleaseStage
	Sample int   // ended updates that the gate and a share of Halt need
	Gate   Share // confirmed updates, of those that ended, that the next stage takes; 0: no gate
	Halt   ReleaseHalt
	Revert bool // a halt takes the release back
}

// ReleaseStage is one step of a plan.
type ReleaseStage struct {
	Share   Share
	Hold    time.Duration // observed time before the next stage
	Approve bool          // the next stage takes a person's approval
}

// ReleaseHalt is what halts a release. Zero bars are none.
type ReleaseHalt struct {
	Failures Bar           // updates that failed or were rolled back
	Lost     Bar           // devices not heard of within Return after they restarted into the version
	Return   time.Duration // see Lost
}

// Bar is a limit on devices: more than a share of those whose update ended, or at least a
// number of them.
type Bar struct {
	Share   Share
	Devices int
}

// ReleaseFaults counts what speaks against a release.
type ReleaseFaults struct{ Failed, Lost int }

// Place is where a device stands in the release, from 0 to Whole-1. It depends on nothing but
// the device and the release, and is uniform over devices.
func Place(hash uint32, salt uint64) Share {
	x := uint64(hash) ^ salt // the finalizer of MurmurHash3: every bit of x changes half of the result's
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return Share((x >> 32) * uint64(Whole) >> 32)
}

// Place is where the device with this hash stands in r.
func (r *Release) Place(hash uint32) Share { return Place(hash, r.Salt) }

// Includes reports whether the device with this hash is inside r's share.
func (r *Release) Includes(hash uint32) bool { return r.Place(hash) < r.Share }

// For returns what r's target gives the device with this hash, zero for nothing. While r is
// halted, only devices that run its version keep it.
func (r *Release) For(hash uint32, running Version) Version {
	if r.Includes(hash) && (r.State != ReleaseHalted || running.Equal(r.Version)) {
		return r.Version
	}
	if r.Under != nil {
		return r.Under.For(hash, running)
	}
	return r.Base
}

const (
	maxStages = 20
	maxHold   = 366 * 24 * time.Hour
	maxSample = 1_000_000
)

// Check returns Invalid, with the field at fault, for a plan that can't be followed.
func (p *ReleasePlan) Check() error {
	if len(p.Stages) == 0 || len(p.Stages) > maxStages {
		return FieldErrorf("plan.stages", "a plan has 1 to %d stages", maxStages)
	}
	last := Share(0)
	for i, stage := range p.Stages {
		switch {
		case stage.Share <= last:
			return FieldErrorf("plan.stages", "stage %d: the share has to grow from stage to stage, from above 0%%", i+1)
		case stage.Hold < 0 || stage.Hold > maxHold:
			return FieldErrorf("plan.stages", "stage %d: hold at most %d days", i+1, maxHold/(24*time.Hour))
		}
		last = stage.Share
	}
	switch {
	case last != Whole:
		return FieldErrorf("plan.stages", "the last stage has to be 100%%")
	case p.Sample < 1 || p.Sample > maxSample:
		return FieldErrorf("plan.gate.sample", "the sample is 1 to %d ended updates", maxSample)
	case p.Halt.Return < time.Minute || p.Halt.Return > maxHold:
		return FieldErrorf("plan.halt.return", "give devices at least a minute to return")
	}
	for name, bar := range map[string]Bar{"failures": p.Halt.Failures, "lost": p.Halt.Lost} {
		if bar.Devices < 0 || bar.Share > 0 && bar.Devices > 0 {
			return FieldErrorf("plan.halt."+name, "use a percentage or a number of devices")
		}
	}
	return nil
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

// Clone copies p with its stages.
func (p ReleasePlan) Clone() ReleasePlan {
	p.Stages = slices.Clone(p.Stages)
	return p
}
