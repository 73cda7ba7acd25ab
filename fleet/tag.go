package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// TagOf is a short text that differs where state does: what an edit's If is compared with.
// state must be of strings, numbers, booleans, and lists and maps of them.
func TagOf(state ...any) string {
	text, _ := json.Marshal(state) // these always can be
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Tag changes with any edit of p.
func (p Product) Tag() string {
	return TagOf("product", p.ID, p.Name, p.Slug, p.Description, p.Roaming, p.AutoRegister)
}

// Tag changes with any edit of g. Who is in it and what is released to it do not count.
func (g Group) Tag() string { return TagOf("group", g.ID, g.Name, g.Description, g.Color) }

// Tag changes with any edit of t.
func (t Team) Tag() string { return TagOf("team", t.ID, t.Name) }

// Unchanged reports, as a Conflict with CodeChanged, that the state of what has another
// tag than the edit has seen; "" has seen nothing and goes with any.
func Unchanged(what, seen, tag string) error {
	if seen == "" || seen == tag {
		return nil
	}
	return &Error{Kind: Conflict, Code: CodeChanged, Text: "someone else has changed " + what + " since you read it: look again, then repeat your edit"}
}
