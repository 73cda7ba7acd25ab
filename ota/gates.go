package ota

import (
	"fmt"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// candidate is a device with the firmware it should get: what the gates look at.
type candidate struct {
	device   *fleet.Device
	target   fleet.Version
	firmware fleet.Firmware // zero when the target was never uploaded
	flash    bool           // an operator's order for this once: attempts don't matter
	maxImage uint64         // bytes the device can store, 0 when not known
	now      time.Time
	rules    rules
}

// answer is what a gate says.
type answer struct {
	refused bool
	reason  fleet.ReasonCode // for the Welcome
	detail  string           // for people
	again   time.Duration    // when to try again, 0: nothing to wait for
}

func pass(detail string) answer { return answer{detail: detail} }

// gate is one thing that may keep an update from starting although target and running
// version differ.
type gate struct {
	rule  string
	check func(candidate) answer
}

// gates are asked in order by Decide, which stops at the first refusal, and by Why, which
// shows them all. Capacity comes after them.
var gates = []gate{
	{"firmware", uploaded},
	{"hold", notHeld},
	{"attempts", attemptsLeft},
	{"cool-down", cooledDown},
	{"size", fits},
	{"updates", takesUpdates},
}

func uploaded(e candidate) answer {
	if e.firmware.Version.IsZero() {
		return answer{refused: true, reason: wire.ReasonOther, detail: "version " + e.target.String() + " was never uploaded"}
	}
	return pass("version " + e.target.String() + " is uploaded")
}

func notHeld(e candidate) answer {
	if a := e.attempts(); a.Held {
		return answer{refused: true, reason: wire.ReasonStopped, detail: "stopped by an operator: nothing until the target changes or someone retries"}
	}
	return pass("not stopped by an operator")
}

func attemptsLeft(e candidate) answer {
	detail := fmt.Sprintf("%d of %d attempts spent", e.attempts().Spent, e.rules.maxAttempts)
	if e.attempts().Spent >= e.rules.maxAttempts {
		return answer{refused: true, reason: wire.ReasonOther, detail: "exhausted: " + detail + "; nothing until the target changes or someone retries"}
	}
	return pass(detail)
}

func cooledDown(e candidate) answer {
	if wait := e.attempts().NotBefore.Sub(e.now); wait > 0 {
		return answer{
			refused: true, reason: wire.ReasonNotNow, again: wait,
			detail: "cooling down after a failed attempt until " + e.attempts().NotBefore.UTC().Format(time.RFC3339),
		}
	}
	return pass("no cool-down")
}

func fits(e candidate) answer {
	if e.maxImage != 0 && uint64(e.firmware.Size) > e.maxImage {
		return answer{
			refused: true, reason: wire.ReasonImageTooLarge,
			detail: fmt.Sprintf("the image has %d bytes, the device stores up to %d", e.firmware.Size, e.maxImage),
		}
	}
	return pass(fmt.Sprintf("the image has %d bytes", e.firmware.Size))
}

func takesUpdates(e candidate) answer {
	switch {
	case e.device.UpdatesOn:
		return pass("the device takes updates")
	case e.device.Force:
		return pass(`the device says "not now", an operator forces updates`)
	}
	return answer{refused: true, reason: wire.ReasonNotNow, detail: `the device says "not now"`}
}

// attempts are those that count against e's target.
func (e candidate) attempts() fleet.Attempts {
	if e.flash || !e.device.Attempts.Target.Equal(e.target) {
		return fleet.Attempts{}
	}
	return e.device.Attempts
}
