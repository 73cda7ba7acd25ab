// Package precedence is the rule itself: which firmware version a device should run, and
// why (design: "Firmware precedence" in the product's rules). It hides the order of the
// rules: decisions, impact and explanations all come out of one function.
//
// It is pure: no clock, no I/O, no state.
package precedence
