package precedence

import (
	"fmt"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// HiddenGroup stands for the groups that the asking user may not see.
const HiddenGroup = "a group you can't see"

// Moment spells a time with the preposition before it, "at" or "until".
type Moment func(preposition string, t time.Time) string

// RFC3339 spells times for programs; the zero time is "never".
func RFC3339(preposition string, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return preposition + " " + t.UTC().Format(time.RFC3339)
}

// String is the sentence with times in RFC 3339.
func (s Step) String() string { return s.Sentence(RFC3339) }

// Sentence puts the step into words, without its rule and outcome.
func (s Step) Sentence(moment Moment) string {
	switch s.Rule {
	case RuleFlash:
		return "an operator sends " + s.Version.String() + " once, whatever the rules say"
	case RuleDevelopment:
		if s.Outcome == Applies {
			return "a development device is never updated automatically"
		}
		return "not a development device"
	case RuleLock:
		return s.lock()
	case RuleGroup:
		return s.group()
	case RuleDefault:
		return s.byDefault()
	case RuleRunning:
		return s.running()
	case RuleImage:
		return "its image can't be read: restore the file from a backup"
	case RuleProduct:
		return "runs firmware of product " + s.Product
	case RuleConnection:
		return "the device is disabled: it can't connect"
	case RuleUpdate:
		return s.update(moment)
	case RuleCapacity:
		return s.capacity()
	case RuleHandshake:
		if s.At.IsZero() {
			return "it is decided at its first handshake; it has had none yet"
		}
		return "it is decided at the next handshake; the last one was " + moment("at", s.At)
	}
	return s.gate(moment)
}

func (s Step) lock() string {
	switch s.Outcome {
	case Applies:
		return "locked to " + s.Version.String() + ", above every release"
	case PassedOver:
		return "locked to " + s.Version.String() + ": kept, and not applied to a development device"
	}
	return "not locked"
}

func (s Step) group() string {
	switch {
	case s.Hidden:
		return HiddenGroup
	case s.Outcome == Wins:
		return "group " + s.Group + " gives " + s.Version.String() + ", the highest of its groups' releases"
	case s.Outcome == PassedOver:
		return "group " + s.Group + " would give " + s.Version.String()
	case s.Staged.Release != 0:
		return s.staged("group "+s.Group, "its devices")
	case s.Outcome == Considered:
		return "group " + s.Group + " has release " + s.Version.String()
	case s.Group != "":
		return "group " + s.Group + " has no release in this product"
	case s.Groups > 0:
		return "none of its groups has a release in this product"
	}
	return "in no group"
}

// staged spells what a target with a release with a plan gives the device. of are the target's
// devices.
func (s Step) staged(target, of string) string {
	r, gives := s.Staged, target+" still gives "+s.Version.String()
	if s.Version.IsZero() {
		gives = target + " gives nothing yet"
	}
	switch {
	case s.Version.Equal(r.Version):
		return target + " releases " + r.Version.String() + " to " + r.reached(of)
	case r.State == fleet.ReleaseReverting:
		return target + " takes " + r.Version.String() + " back: " + gives
	case r.State == fleet.ReleaseHalted && r.Inside:
		return "release " + r.Release.String() + " of " + r.Version.String() + " is halted, so " + gives
	case r.State == fleet.ReleaseScheduled:
		return target + " will release " + r.Version.String() + ": until then " + gives
	}
	return target + " releases " + r.Version.String() + " to " + r.reached(of) + ", so " + gives
}

// reached spells how far a release has come, and whether that includes the device.
func (r Staging) reached(of string) string {
	is := "is"
	if !r.Inside {
		is = "is not"
	}
	switch {
	case r.Devices > 0:
		return fmt.Sprintf("%d of %s; this device %s one of them", r.Devices, of, is)
	case r.First:
		return "a first group; this device " + is + " in it"
	}
	return fmt.Sprintf("%s of %s; this device is at %s", r.Share, of, r.Place)
}

func (s Step) byDefault() string {
	if s.Staged.Release != 0 && s.Outcome != PassedOver {
		return s.staged("the product default", "the product's devices")
	}
	switch s.Outcome {
	case Applies:
		return "the product default is " + s.Version.String()
	case PassedOver:
		return "the product default " + s.Version.String() + " counts only where no other rule decides"
	}
	return "the product has no default"
}

func (s Step) running() string {
	switch s.Outcome {
	case Unknown:
		return "it has not said yet what it runs"
	case Kept:
		return "it keeps " + s.Running.String()
	case Same:
		return "it runs " + s.Running.String() + " already, " + s.proof()
	}
	return "it runs " + s.Running.String() + ", not " + s.Version.String()
}

// proof is how it is known what a device runs.
func (s Step) proof() string {
	switch {
	case !s.Label.IsZero():
		return "by its digest; it calls that " + s.Label.String()
	case s.Proven:
		return "by its digest"
	}
	return "by version only"
}

// gate spells the steps of the gates.
func (s Step) gate(moment Moment) string {
	passes := s.Outcome == Passes
	switch s.Rule {
	case RuleFirmware:
		if passes {
			return "version " + s.Version.String() + " is uploaded"
		}
		return "version " + s.Version.String() + " was never uploaded"
	case RuleHardware, RuleFloor, RuleRequires:
		return s.suits()
	case RuleHold:
		if passes {
			return "not stopped by an operator"
		}
		return "stopped by an operator: nothing until the target changes or someone retries"
	case RuleAttempts:
		spent := fmt.Sprintf("%d of %d attempts spent", s.Attempts.Count, s.Attempts.Of)
		if passes {
			return spent
		}
		return "exhausted: " + spent + "; nothing until the target changes or someone retries"
	case RuleCoolDown:
		if passes {
			return "no cool-down"
		}
		return "cooling down after a failed attempt " + moment("until", s.At) + "; a retry of the update ends that"
	case RuleSize:
		if passes {
			return fmt.Sprintf("the image has %d bytes", s.Bytes.Count)
		}
		return fmt.Sprintf("the image has %d bytes, the device stores up to %d", s.Bytes.Count, s.Bytes.Of)
	case RuleUpdates:
		return s.updates()
	case RuleWindow:
		return s.window(moment)
	case RuleLimits:
		return s.limits()
	}
	return ""
}

// suits spells whether the device can take the firmware at all.
func (s Step) suits() string {
	passes := s.Outcome == Passes
	switch {
	case s.Rule == RuleHardware && passes:
		return "the image is for its hardware, " + s.Hardware
	case s.Rule == RuleHardware && s.Hardware == "":
		return "the image is for hardware " + s.Condition + ", and the device reports none"
	case s.Rule == RuleHardware:
		return "the image is for hardware " + s.Condition + ", the device is " + s.Hardware
	case s.Rule == RuleFloor && passes:
		return fmt.Sprintf("the image's security counter, %d, is not below that of %s, which runs", s.Counters.Count, s.Running)
	case s.Rule == RuleFloor:
		return fmt.Sprintf("the image's security counter, %d, is below %d, that of %s, which runs: its boot loader would refuse it",
			s.Counters.Count, s.Counters.Of, s.Running)
	case passes && len(s.Path) == 0:
		return s.Version.String() + " can be installed over " + s.Condition
	}
	text := s.Version.String() + " can only be installed over " + s.Condition
	switch path := list(s.Path); {
	case len(s.Path) == 0:
		return "no way from " + s.Running.String() + ": " + text + ", and no uploaded version leads there"
	case s.Flash:
		return text + ": install " + path + " one after the other"
	default:
		return text + ": " + path + " are installed one after the other"
	}
}

// list spells versions.
func list(versions []fleet.Version) string {
	words := make([]string, len(versions))
	for i, v := range versions {
		words[i] = v.String()
	}
	return strings.Join(words, ", ")
}

func (s Step) updates() string {
	switch {
	case s.Forced:
		return `the device says "not now", an operator forces updates`
	case s.Outcome == Passes:
		return "the device takes updates"
	}
	return `the device says "not now"`
}

func (s Step) update(moment Moment) string {
	text := fmt.Sprintf("attempt %d, started %s", s.Attempt, moment("at", s.At))
	if s.Bytes.Of > 0 {
		text += fmt.Sprintf(", %d of %d bytes", s.Bytes.Count, s.Bytes.Of)
	}
	if s.Reason != wire.ReasonNone {
		text += ": " + wire.ReasonText(s.Reason)
	}
	if s.Text != "" {
		text += fmt.Sprintf(" (%s)", s.Text)
	}
	return text
}

func (s Step) capacity() string {
	if s.Slots.Of == 0 {
		return "how many updates run is shown to the owner and admins"
	}
	text := fmt.Sprintf("%d of %d updates run", s.Slots.Count, s.Slots.Of)
	if s.Behind.Of > 0 {
		text += fmt.Sprintf(", %d of %d behind its gateway", s.Behind.Count, s.Behind.Of)
	}
	if s.Outcome == Waits {
		text += fmt.Sprintf("; it is number %d of %d in the line", s.Line.Count, s.Line.Of)
	}
	return text
}
