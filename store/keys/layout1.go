package keys

import "strings"

// FromLayout1 returns the key of what key was in layout 1; ok reports whether its name differs.
// There, the tag of everything about a device was its id, and that of a product, a team or a user
// its bare number.
func FromLayout1(key string) (now string, ok bool) {
	kind, tag, found := strings.Cut(key, ":{")
	if !found || len(tag) < 2 || strings.IndexByte(tag, '}') != len(tag)-1 {
		return "", false
	}
	tag = tag[:len(tag)-1]
	switch kind {
	case "d":
		return records.of(tag), true
	case "h":
		return histories.of(tag), true
	case "o":
		return outboxes.of(tag), true
	}
	if strings.Trim(tag, "0123456789") != "" {
		return "", false // of layout 2, or a counter
	}
	switch kind {
	case "p", "u", "t":
		return kind + ":{" + kind + tag + "}", true
	case "m", "ms", "mo", "mz", "l", "ls", "lo", "lz", "n", "ns", "no", "nz", "a", "ao", "aw", "az", "i", "io":
		return kind + ":{t" + tag + "}", true
	}
	return "", false
}

// Kind returns what a key begins with, which is the same in all layouts; "counter" for a Counter, to
// tell it from SignIns.
func Kind(key string) string {
	kind, tag, _ := strings.Cut(key, ":{")
	if kind == "n" && strings.Trim(tag, "t0123456789}") != "" {
		return "counter"
	}
	return kind
}
