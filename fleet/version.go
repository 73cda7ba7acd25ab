package fleet

import (
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

// Version is a firmware version: a whole number (`7`) or a semantic version
// (`1.4.0-rc.1`), compared by semver precedence with `7` as `7.0.0`. The zero Version is
// none. Use Equal to compare versions: == distinguishes `7` from `7.0.0`.
type Version struct {
	text  string // as it was written
	canon string // "v7.0.0"; empty when text is not a version
}

// MaxVersion is the longest version text, in bytes (docs/protocol.md, `version`).
const MaxVersion = 64

// MaxWholeVersion bounds a whole-number version: it is an unsigned 31-bit number.
const MaxWholeVersion = 1<<31 - 1

// ParseVersion reads a version. It rejects build metadata, a leading "v", leading zeros and
// short forms such as "1.4", and explains how to write those. Errors are Invalid (docs/rules.md#firmware-precedence).
func ParseVersion(s string) (Version, error) {
	if isWhole(s) {
		if n, err := strconv.ParseUint(s, 10, 64); err != nil || n > MaxWholeVersion {
			return Version{}, Errorf(Invalid, "version %.70q: a whole number goes up to %d", s, MaxWholeVersion)
		}
		return Version{text: s, canon: "v" + s + ".0.0"}, nil
	}
	canon := "v" + s
	switch {
	case len(s) > MaxVersion, !semver.IsValid(canon), semver.Canonical(canon) != canon:
		if meant := meantVersion(s); meant != "" {
			return Version{}, Errorf(Invalid, "version %.70q: write it as %s", s, meant)
		}
		return Version{}, Errorf(Invalid, "version %.70q: use a whole number such as 7, or a semantic version such as 1.4.0", s)
	}
	return Version{text: s, canon: canon}, nil
}

// isWhole reports whether s is a whole number without leading zeros.
func isWhole(s string) bool {
	return s != "" && (s == "0" || s[0] != '0') && every(s, isDigit)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// meantVersion returns the version that s most likely means: without a "v", leading zeros and
// build metadata, and with all three numbers. "" if there is none.
func meantVersion(s string) string {
	s = strings.TrimLeft(strings.TrimSpace(s), "vV")
	s, _, _ = strings.Cut(s, "+")
	numbers, pre, isPre := strings.Cut(s, "-")
	parts := strings.Split(numbers, ".")
	if len(s) > MaxVersion || len(parts) > 3 {
		return ""
	}
	for i, part := range parts {
		if part == "" || !every(part, isDigit) {
			return ""
		}
		if parts[i] = strings.TrimLeft(part, "0"); parts[i] == "" {
			parts[i] = "0"
		}
	}
	if len(parts) == 1 && !isPre {
		if _, err := strconv.ParseUint(parts[0], 10, 31); err == nil {
			return parts[0]
		}
		return ""
	}
	for len(parts) < 3 {
		parts = append(parts, "0")
	}
	meant := strings.Join(parts, ".")
	if isPre {
		meant += "-" + pre
	}
	if canon := "v" + meant; len(meant) > MaxVersion || semver.Canonical(canon) != canon {
		return ""
	}
	return meant
}

// WholeVersion returns the version n, which must not exceed MaxWholeVersion.
func WholeVersion(n uint32) Version {
	v, err := ParseVersion(strconv.FormatUint(uint64(n), 10))
	if err != nil {
		panic(err)
	}
	return v
}

// ReportedVersion returns the version that a device reports. A text that is not a version
// is kept, up to MaxVersion bytes, and equals nothing, not even itself.
func ReportedVersion(s string) Version {
	if s == "" {
		return Version{}
	}
	if v, err := ParseVersion(s); err == nil {
		return v
	}
	if len(s) > MaxVersion {
		s = s[:MaxVersion-1] + "?" // so that cutting never makes it a version
	}
	return Version{text: strings.ToValidUTF8(s, "?")}
}

// WithOtherBytes is what runs on a device that calls it v but whose digest is not that of v's
// image. It equals no version.
func (v Version) WithOtherBytes() Version { return ReportedVersion(v.text + " (other bytes)") }

// String returns the version as it was written, "" for none.
func (v Version) String() string { return v.text }

// IsZero reports whether v is the zero version.
func (v Version) IsZero() bool { return v.text == "" && v.canon == "" }

// Valid reports whether v is a version: neither none nor a reported text that is not a version.
func (v Version) Valid() bool { return v.canon != "" }

// Whole returns the number if v was written as one.
func (v Version) Whole() (uint32, bool) {
	n, err := strconv.ParseUint(v.text, 10, 32)
	return uint32(n), err == nil && v.Valid()
}

// Key returns the same text for all spellings of a version ("7.0.0" for `7`), "" if v is
// not valid.
func (v Version) Key() string { return strings.TrimPrefix(v.canon, "v") }

// Equal reports whether v and w are the same version. A Version that is not valid equals
// nothing.
func (v Version) Equal(w Version) bool { return v.canon != "" && v.canon == w.canon }

// Compare returns -1, 0 or +1 by semver precedence. A Version that is not valid is below
// every valid one.
func (v Version) Compare(w Version) int { return semver.Compare(v.canon, w.canon) }
