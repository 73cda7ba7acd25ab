package fleet

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Reason is the rule that gave a device its target.
type Reason string

// The reasons, in the order of the rules (docs/rules.md#firmware-precedence).
const (
	BecauseDevelopment Reason = "development"
	BecauseLock        Reason = "lock"
	BecauseGroup       Reason = "group"
	BecauseDefault     Reason = "default"
	BecauseNone        Reason = "none"
)

// ReleaseOrder is what an operator decides about one version. Nil leaves a field unchanged;
// an order with neither Groups nor Default makes the version the product default.
type ReleaseOrder struct {
	Version Version
	Groups  *[]GroupID // the whole list: released to these and to no others
	Default *bool
	Plan    *ReleasePlan // how the release grows at the one target that the order adds; nil: everywhere at once
	Now     bool         // "intelligent": online targets at once, paced; the rest at their handshake
	If      string       // the Tag of the version's FirmwareView that the actor has seen; "": any
}

// FirmwareView is a firmware as an actor sees it: where it is released, and how many devices
// run it.
type FirmwareView struct {
	Firmware
	Groups  []GroupID // sorted by id; only those the actor may see
	Default bool
	Devices int     // visible devices that run it
	Staged  Release // its newest release with a plan that is under way and that the actor may see; zero: none
	Tag     string  // changes with its texts, and with any release of the product the actor may see
	Cooling Cooling // in the result of a release: the devices that it reaches only later
}

// Impact is how many devices will receive an update as a direct result of an action.
type Impact struct {
	Total     int            // devices whose target changes to something they don't run
	Of        int            // devices considered: the members of a group, or the whole product
	ByVersion []VersionCount // by the version they will receive, highest first
	Moves     []MoveCount    // by what they run and what they will receive; by To, then From, highest first
	Online    int            // of Total: connected now
	Ends      int            // devices whose running update ends because their target changes
	Blocked   []ReasonCount  // devices whose target changes, or for a release is that version already, but that can't get it now, and why; by reason

	// Due is, for a release, the devices whose target is that version already but that don't
	// run it yet: an immediate release sends it to them too.
	Due int

	// Cooling is the devices whose target is, and stays, what a release or a lock names, and
	// which wait after a failed attempt at it. They are not among Due.
	Cooling Cooling
}

// Lower is how many devices the action sends back to an older version.
func (i Impact) Lower() (devices int) {
	for _, m := range i.Moves {
		if m.Lower() {
			devices += m.Devices
		}
	}
	return devices
}

// Add adds the impact on other devices. The lists of i must be sorted.
func (i *Impact) Add(other Impact) {
	i.Total += other.Total
	i.Of += other.Of
	i.Due += other.Due
	i.Online += other.Online
	i.Ends += other.Ends
	i.Cooling.Add(other.Cooling)
	for _, row := range other.Moves {
		at, known := slices.BinarySearchFunc(i.Moves, row, MoveCount.compare)
		if !known {
			i.Moves = slices.Insert(i.Moves, at, MoveCount{From: row.From, To: row.To})
		}
		i.Moves[at].Devices += row.Devices
	}
	for _, row := range other.ByVersion {
		at, known := slices.BinarySearchFunc(i.ByVersion, row.Version, func(a VersionCount, v Version) int { return v.Compare(a.Version) })
		if !known {
			i.ByVersion = slices.Insert(i.ByVersion, at, VersionCount{Version: row.Version})
		}
		i.ByVersion[at].Devices += row.Devices
	}
	for _, row := range other.Blocked {
		at, known := slices.BinarySearchFunc(i.Blocked, row.Reason, func(a ReasonCount, reason string) int { return strings.Compare(a.Reason, reason) })
		if !known {
			i.Blocked = slices.Insert(i.Blocked, at, ReasonCount{Reason: row.Reason})
		}
		i.Blocked[at].Devices += row.Devices
	}
}

// VersionCount counts devices by a version.
type VersionCount struct {
	Version Version
	Devices int
}

// MoveCount counts devices by what they run and what they will receive.
type MoveCount struct {
	From    Version // zero: not known
	To      Version
	Devices int
}

// Lower reports whether the devices go back to an older version.
func (m MoveCount) Lower() bool { return m.From.Valid() && m.To.Compare(m.From) < 0 }

// compare orders moves by To, then From, highest first, and one without a known version last.
func (m MoveCount) compare(other MoveCount) int {
	return cmp.Or(other.To.Compare(m.To), strings.Compare(m.To.String(), other.To.String()),
		other.From.Compare(m.From), strings.Compare(m.From.String(), other.From.String()))
}

// SortMoves sorts moves as Impact lists them.
func SortMoves(moves []MoveCount) { slices.SortFunc(moves, MoveCount.compare) }

// ReasonCount counts devices by a reason: development, locked, exhausted, not_now,
// wrong_hardware ...
type ReasonCount struct {
	Reason  string
	Devices int
}

// Progress is how far a release has come.
type Progress struct {
	Version Version
	Devices int                 // devices whose target it is
	Running int                 // of them, those that run it
	States  map[UpdateState]int // of the rest, by the state of their last update to it
}

// Standing counts devices by the state of their last update.
type Standing struct {
	States  map[UpdateState]int
	Reasons map[ReasonCode]int // of those whose last update failed or rolled back
}

// Tally is what happened to devices since the server started, whoever may see them.
type Tally struct {
	Since      time.Time
	Handshakes uint64
	Failures   map[ReasonCode]int // updates that failed or rolled back
}
