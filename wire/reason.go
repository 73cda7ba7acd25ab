package wire

import (
	"fmt"

	"github.com/muster-iot/muster/fleet"
)

// Reason codes, one list for Welcome, Report, Stop, attached and outcomes. Extended,
// never renumbered (docs/protocol.md, "Reason codes").
const (
	ReasonNone          fleet.ReasonCode = 0
	ReasonSuperseded    fleet.ReasonCode = 1
	ReasonStopped       fleet.ReasonCode = 2 // by an operator
	ReasonImageTooLarge fleet.ReasonCode = 3
	ReasonDigest        fleet.ReasonCode = 4
	ReasonSignature     fleet.ReasonCode = 5
	ReasonStorage       fleet.ReasonCode = 6
	ReasonMemory        fleet.ReasonCode = 7
	ReasonWrongProduct  fleet.ReasonCode = 8
	ReasonRolledBack    fleet.ReasonCode = 9
	ReasonNotYourImage  fleet.ReasonCode = 10
	ReasonMalformed     fleet.ReasonCode = 11
	ReasonOverLimit     fleet.ReasonCode = 12
	ReasonTimedOut      fleet.ReasonCode = 13
	ReasonNotNow        fleet.ReasonCode = 14 // unsolicited: send Hello
	ReasonBusy          fleet.ReasonCode = 15
	ReasonReplayed      fleet.ReasonCode = 16
	ReasonNotAttached   fleet.ReasonCode = 17
	ReasonOther         fleet.ReasonCode = 255
)

var reasonTexts = map[fleet.ReasonCode]string{
	ReasonNone:          "none",
	ReasonSuperseded:    "superseded",
	ReasonStopped:       "stopped by an operator",
	ReasonImageTooLarge: "image too large",
	ReasonDigest:        "digest differs",
	ReasonSignature:     "signature missing or wrong",
	ReasonStorage:       "storage error",
	ReasonMemory:        "out of memory",
	ReasonWrongProduct:  "wrong hardware or product",
	ReasonRolledBack:    "rolled back",
	ReasonNotYourImage:  "not your image",
	ReasonMalformed:     "malformed",
	ReasonOverLimit:     "over a limit",
	ReasonTimedOut:      "timed out",
	ReasonNotNow:        "not now",
	ReasonBusy:          "server busy",
	ReasonReplayed:      "replayed manifest",
	ReasonNotAttached:   "not attached",
	ReasonOther:         "other",
}

// KnownReason reports whether r is one of the protocol's own.
func KnownReason(r fleet.ReasonCode) bool {
	_, ok := reasonTexts[r]
	return ok
}

// ReasonText names a reason for people; an unknown code is "reason N".
func ReasonText(r fleet.ReasonCode) string {
	if text, ok := reasonTexts[r]; ok {
		return text
	}
	return fmt.Sprintf("reason %d", r)
}

// Free reports whether an update that ended for r costs no attempt.
func Free(r fleet.ReasonCode) bool {
	switch r {
	case ReasonNone, ReasonSuperseded, ReasonStopped, ReasonTimedOut, ReasonNotNow, ReasonBusy, ReasonNotAttached:
		return true
	}
	return false
}

// Refusal is why a message or a topic was not accepted. errors.Is finds fleet.Invalid.
type Refusal struct {
	Reason fleet.ReasonCode
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

// Unwrap makes a refusal an Invalid input.
func (r *Refusal) Unwrap() error { return fleet.Invalid }

func refuse(reason fleet.ReasonCode, format string, args ...any) error {
	return &Refusal{Reason: reason, Text: fmt.Sprintf(format, args...)}
}
