package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// TagOf returns a short text that changes with state; the If of an edit is compared with
// it. state must be of strings, numbers, booleans, and lists and maps of them.
func TagOf(state ...any) string {
	text, _ := json.Marshal(state) // never fails for these
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Tag changes with any edit of p.
func (p Product) Tag() string {
	return TagOf("product", p.ID, p.Name, p.Slug, p.Description, p.Roaming, p.AutoRegister)
}

// Tag changes with any edit of g, but not with its members and releases.
func (g Group) Tag() string { return TagOf("group", g.ID, g.Name, g.Description, g.Color) }

// Tag changes with any edit of t.
func (t Team) Tag() string { return TagOf("team", t.ID, t.Name) }

// Unchanged returns a Conflict with CodeChanged if seen, the tag that an edit depends on, is
// not the current tag of what; "" depends on none.
func Unchanged(what, seen, tag string) error {
	if seen == "" || seen == tag {
		return nil
	}
	return &Error{Kind: Conflict, Code: CodeChanged, Text: "someone else has changed " + what + " since you read it: look again, then repeat your edit"}
}
