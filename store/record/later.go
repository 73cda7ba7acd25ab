package record

import (
	"math/bits"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// flagLetters are the letters of the field "f" of a device's hash.
const flagLetters = "xdFuop"

// known reports whether this release has a use for a field of a device's hash.
func known(field string) bool {
	switch field {
	case "r", "w",
		"t", "p", "k", "gw", "n", "no", "g", "f", "l", "v", "hw", "tz", "mi", "fa", "u", "a", "lh", "nd",
		"s", "fl", "lb", "fp", "b", "be", "se", "ct", "lc", "pc", "ip", "c", "le", "fh", "cx":
		return true
	}
	return false
}

// later returns what a later release has written into a device's hash: names and values of fields, and
// letters of "f". It is written again with the record, so that two releases can run side by side.
// All fields must have been visited.
func (h *hash) later() (all []string) {
	visited := bits.OnesCount64(h.has)
	for _, field := range []string{"r", "w"} {
		if _, ok := h.fields[field]; ok {
			visited++
		}
	}
	if visited < len(h.fields) {
		for field, value := range h.fields {
			if !known(field) {
				all = append(all, field, value)
			}
		}
	}
	if flags := h.fields["f"]; strings.Trim(flags, flagLetters) != "" {
		all = append(all, "f", strings.Map(unknown, flags))
	}
	return all
}

// unknown returns letter, -1 if it is one of flagLetters.
func unknown(letter rune) rune {
	if strings.ContainsRune(flagLetters, letter) {
		return -1
	}
	return letter
}

// keepLetters has the letters of "f" that a later release has written come before the others.
func (h *hash) keepLetters(d *fleet.Device) {
	for i := 0; i+1 < len(d.Later); i += 2 {
		if d.Later[i] == "f" {
			h.fields = map[string]string{"f": d.Later[i+1]}
		}
	}
}

// keepFields appends the fields that a later release has written.
func (h *hash) keepFields(d *fleet.Device) {
	for i := 0; i+1 < len(d.Later); i += 2 {
		if d.Later[i] != "f" {
			h.args = append(h.args, d.Later[i], &d.Later[i+1])
		}
	}
}
