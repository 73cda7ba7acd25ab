package keys

import (
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Layout2 are the names that the keys of a device had in layout 2, where the id was unique in the
// installation.
type Layout2 struct{ Record, History, Outbox string }

// OfLayout2 returns the names that the keys of an id had in layout 2.
func OfLayout2(id fleet.DeviceID) Layout2 {
	bucket := Bucket(id)
	return Layout2{records[bucket] + id.String(), histories[bucket] + id.String(), outboxes[bucket] + id.String()}
}

// FromLayout2 returns the id of a device whose record, history or outbox has the name that key was
// in layout 2; ok reports whether key was one.
func FromLayout2(key string) (id fleet.DeviceID, ok bool) {
	kind, rest, _ := strings.Cut(key, ":{")
	_, text, found := strings.Cut(rest, "}:")
	switch kind {
	case "d", "h", "o":
		return fleet.DeviceID(text), found && text != "" && !strings.Contains(text, "/")
	}
	return "", false
}

// OlderSlug is the key of a slug up to layout 2, when it was unique in the installation.
func OlderSlug(slug string) string { return "s:{" + slug + "}" }

// FromOlderSlug reports whether key was that of a slug up to layout 2.
func FromOlderSlug(key string) bool {
	return strings.HasPrefix(key, "s:{") && strings.HasSuffix(key, "}")
}

// Older reports whether key has a name of an older layout.
func Older(key string) bool {
	_, first := FromLayout1(key)
	_, second := FromLayout2(key)
	return first || second || FromOlderSlug(key)
}

// Astray reports whether key is that of a device record without a team when it was migrated.
func Astray(key string) bool { return strings.HasPrefix(key, "d:{") && strings.Contains(key, "}:0/") }

// FromLayout1 returns the key that key was in layout 2, for one of layout 1; ok reports whether it
// was one. There, the tag of everything about a device was its id, and that of a product, a team or a user
// its bare number.
func FromLayout1(key string) (now string, ok bool) {
	kind, tag, found := strings.Cut(key, ":{")
	if !found || len(tag) < 2 || strings.IndexByte(tag, '}') != len(tag)-1 {
		return "", false
	}
	tag = tag[:len(tag)-1]
	switch kind {
	case "d":
		return OfLayout2(fleet.DeviceID(tag)).Record, true
	case "h":
		return OfLayout2(fleet.DeviceID(tag)).History, true
	case "o":
		return OfLayout2(fleet.DeviceID(tag)).Outbox, true
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
