// Package precedence is the rule itself: which firmware version a device should run, what
// may keep it from getting that version now, and why (docs/rules.md, "Firmware precedence"
// and "When it happens").
//
// Decide is the rules in order, and the gates are checks that follow them. Whatever shows a
// decision, its reasons or its impact asks the same code: Explain and Candidate.Steps
// return typed steps, and Step.Sentence is the one place that puts them into words.
//
// The package is pure: no clock, no I/O, no state.
package precedence
