package fleet

import "strings"

// Range is the versions from From on and below Below; a zero bound is open, and the zero Range
// is all versions. Versions compare by precedence: 2.0.0-rc.1 is below 2.0.0.
type Range struct{ From, Below Version }

// ParseRange reads a range as String writes it: ">=1.4.0", "<2.0.0", or both with a space or
// comma between them. An empty text is all versions. Errors are Invalid.
func ParseRange(s string) (r Range, err error) {
	text := strings.NewReplacer(",", " ", ">= ", ">=", "< ", "<").Replace(s)
	for word := range strings.FieldsSeq(text) {
		bound, version := &r.From, strings.TrimPrefix(word, ">=")
		if version == word {
			bound, version = &r.Below, strings.TrimPrefix(word, "<")
		}
		if version == word || !bound.IsZero() {
			return Range{}, Errorf(Invalid, "versions %.140q: write a range as >=1.4.0, as <2.0.0, or as >=1.4.0 <2.0.0", s)
		}
		if *bound, err = ParseVersion(version); err != nil {
			return Range{}, err
		}
	}
	if r.From.Valid() && r.Below.Valid() && r.From.Compare(r.Below) >= 0 {
		return Range{}, Errorf(Invalid, "versions %.140q: no version is in this range", s)
	}
	return r, nil
}

// String writes the range as ParseRange reads it.
func (r Range) String() string {
	var words []string
	if r.From.Valid() {
		words = append(words, ">="+r.From.String())
	}
	if r.Below.Valid() {
		words = append(words, "<"+r.Below.String())
	}
	return strings.Join(words, " ")
}

// IsAll reports whether every version is in r, also one that can't be read.
func (r Range) IsAll() bool { return r == Range{} }

// Has reports whether v is in r. A text that is not a version is only in the range of all.
func (r Range) Has(v Version) bool {
	return r.IsAll() || v.Valid() && (r.From.IsZero() || v.Compare(r.From) >= 0) && (r.Below.IsZero() || v.Compare(r.Below) < 0)
}
