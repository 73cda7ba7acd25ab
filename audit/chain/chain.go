// Package chain links the entries of a team's audit log, so that one that was changed or removed
// later shows.
//
// Each entry has a number and the digest of the entry before it (docs/operations.md, "The audit
// log can be verified"). Whoever notes a number and its digest elsewhere can verify later that the
// log still leads there.
package chain

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Digest is the SHA-256 of an entry: of its number, the digest before it in hexadecimal, team, user,
// email, action, object, the JSON before and after, the time (RFC 3339, UTC, up to nanoseconds), the
// token, the address, and the product if it concerns one, each as a netstring ("5:hello,").
func Digest(e *fleet.AuditEntry) fleet.Digest {
	var b bytes.Buffer
	fields := []string{
		strconv.FormatUint(e.Number, 10), e.Prev.String(), e.Team.String(), e.User.String(), e.Email, e.Action, e.Object,
		e.Before, e.After, e.At.UTC().Format(time.RFC3339Nano), e.Token, e.From,
	}
	if e.Product != 0 {
		fields = append(fields, e.Product.String())
	}
	for _, field := range fields {
		b.WriteString(strconv.Itoa(len(field)))
		b.WriteByte(':')
		b.WriteString(field)
		b.WriteByte(',')
	}
	return sha256.Sum256(b.Bytes())
}

// Link is an entry's place in the chain.
type Link struct {
	Number uint64 // counts from 1
	Digest fleet.Digest
}

// String returns "number:digest", with the digest in hexadecimal.
func (l Link) String() string { return strconv.FormatUint(l.Number, 10) + ":" + l.Digest.String() }

// ParseLink is the inverse of Link.String.
func ParseLink(text string) (l Link, err error) {
	number, digest, _ := strings.Cut(text, ":")
	l.Number, err = strconv.ParseUint(number, 10, 64)
	decoded, bad := hex.DecodeString(digest)
	if err != nil || bad != nil || len(decoded) != len(l.Digest) {
		return Link{}, fmt.Errorf("%.80q is not of the form NUMBER:HASH", text)
	}
	copy(l.Digest[:], decoded)
	return l, nil
}

// Span is consecutive numbers.
type Span struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// Findings is what a Verifier found.
type Findings struct {
	Entries   int    // linked ones that were added
	Unlinked  int    // of the time before entries were linked
	First     Link   // the oldest of them
	Last      Link   // the newest of them
	Missing   []Span // numbers between First and Last that were not added: no longer kept, or removed
	Broken    []Span // numbers whose entry, or the one before it, was changed
	Repeated  []Span // numbers that more than one entry has
	reachable map[uint64]fleet.Digest
}

// Sound reports whether nothing was changed.
func (r *Findings) Sound() bool { return len(r.Broken) == 0 && len(r.Repeated) == 0 }

// Has reports whether the entry with this number was added and has this digest.
func (r *Findings) Has(l Link) bool {
	digest, ok := r.reachable[l.Number]
	return ok && digest == l.Digest
}

// Verifier takes the entries of one team in any order. The zero Verifier is ready for use.
type Verifier struct {
	unlinked int
	links    []link
}

type link struct {
	Link
	prev fleet.Digest
}

// Add adds an entry.
func (v *Verifier) Add(e *fleet.AuditEntry) {
	if e.Number == 0 {
		v.unlinked++
		return
	}
	v.links = append(v.links, link{Link{e.Number, Digest(e)}, e.Prev})
}

// Findings verifies all that was added.
func (v *Verifier) Findings() *Findings {
	r := &Findings{Entries: len(v.links), Unlinked: v.unlinked, reachable: make(map[uint64]fleet.Digest, len(v.links))}
	slices.SortFunc(v.links, func(a, b link) int { return cmp.Compare(a.Number, b.Number) })
	for i, l := range v.links {
		r.reachable[l.Number] = l.Digest
		if i == 0 {
			if l.Number == 1 && l.prev != (fleet.Digest{}) {
				r.Broken = extend(r.Broken, 1)
			}
			continue
		}
		switch before := v.links[i-1]; {
		case before.Number == l.Number:
			r.Repeated = extend(r.Repeated, l.Number)
		case before.Number+1 < l.Number:
			r.Missing = append(r.Missing, Span{before.Number + 1, l.Number - 1})
		case before.Digest != l.prev:
			r.Broken = extend(r.Broken, l.Number)
		}
	}
	if len(v.links) > 0 {
		r.First, r.Last = v.links[0].Link, v.links[len(v.links)-1].Link
	}
	return r
}

// extend adds a number, not lower than those before it, to spans.
func extend(spans []Span, number uint64) []Span {
	if n := len(spans); n > 0 && spans[n-1].Last+1 >= number {
		spans[n-1].Last = number
		return spans
	}
	return append(spans, Span{number, number})
}
