package fleet

import (
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

// Version is a firmware version: a whole number (`7`) or a semantic version
// (`1.4.0-rc.1`), compared by semver precedence with `7` as `7.0.0`. The zero Version is
// none. A Version is comparable with ==, but == also tells `7` from `7.0.0`: use Equal.
type Version struct {
	text  string // as it was written
	canon string // "v7.0.0"; empty when text is not a version
}

// MaxVersion is the longest version text, in bytes (docs/protocol.md, `version`).
const MaxVersion = 64

// MaxWholeVersion bounds a whole-number version: it is an unsigned 31-bit number.
const MaxWholeVersion = 1<<31 - 1

// ParseVersion reads a version. Build metadata, a leading "v", leading zeros and short
// forms such as "1.4" are refused. Errors are Invalid.
func ParseVersion(s string) (Version, error) {
	if whole, err := strconv.ParseUint(s, 10, 64); err == nil && strconv.FormatUint(whole, 10) == s {
		if whole > MaxWholeVersion {
			return Version{}, Errorf(Invalid, "version %.70q: a whole number goes up to %d", s, MaxWholeVersion)
		}
		return Version{text: s, canon: "v" + s + ".0.0"}, nil
	}
	canon := "v" + s
	switch {
	case strings.Contains(s, "+"):
		return Version{}, Errorf(Invalid, "version %.70q: build metadata has no precedence and is refused", s)
	case len(s) > MaxVersion, !semver.IsValid(canon), semver.Canonical(canon) != canon:
		return Version{}, Errorf(Invalid, "version %.70q: use a whole number such as 7, or a semantic version such as 1.4.0", s)
	}
	return Version{text: s, canon: canon}, nil
}

// WholeVersion is the version n. It must not exceed MaxWholeVersion.
func WholeVersion(n uint32) Version {
	v, err := ParseVersion(strconv.FormatUint(uint64(n), 10))
	if err != nil {
		panic(err)
	}
	return v
}

// ReportedVersion is what a device says it runs. A text that is not a version is kept
// and equals nothing, not even itself; it is cut at MaxVersion bytes.
func ReportedVersion(s string) Version {
	if v, err := ParseVersion(s); err == nil {
		return v
	}
	if len(s) > MaxVersion {
		s = s[:MaxVersion-1] + "?" // never a version by being cut
	}
	return Version{text: strings.ToValidUTF8(s, "?")}
}

// String is the version as it was written, "" for none.
func (v Version) String() string { return v.text }

// IsZero reports whether v is no version at all.
func (v Version) IsZero() bool { return v.text == "" && v.canon == "" }

// Valid reports whether v can be compared: it is neither none nor an unreadable report.
func (v Version) Valid() bool { return v.canon != "" }

// Whole returns the number when v was written as one.
func (v Version) Whole() (uint32, bool) {
	n, err := strconv.ParseUint(v.text, 10, 32)
	return uint32(n), err == nil && v.Valid()
}

// Key is one text for all spellings of the same version ("7.0.0" for `7`), "" when v is
// not valid.
func (v Version) Key() string { return strings.TrimPrefix(v.canon, "v") }

// Equal reports whether a and b are the same version. None and unreadable ones equal
// nothing.
func (v Version) Equal(w Version) bool { return v.canon != "" && v.canon == w.canon }

// Compare is -1, 0 or +1 by semver precedence. A version that is not valid is below
// every valid one.
func (v Version) Compare(w Version) int { return semver.Compare(v.canon, w.canon) }
