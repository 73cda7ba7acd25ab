package chain_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/audit/chain"
	"github.com/muster-iot/muster/fleet"
)

// log returns n linked entries.
func log(n int) []fleet.AuditEntry {
	var entries []fleet.AuditEntry
	var prev fleet.Digest
	for i := range n {
		e := fleet.AuditEntry{Team: 1, User: 2, Email: "a@example.com", Action: "device.update", Object: "lamp-7", After: `{"name":"Hall"}`, At: time.Unix(int64(i), 0), Number: uint64(i + 1), Prev: prev}
		prev = chain.Digest(&e)
		entries = append(entries, e)
	}
	return entries
}

func TestAChangedOrRemovedEntryShows(t *testing.T) {
	for name, row := range map[string]struct {
		change                    func([]fleet.AuditEntry) []fleet.AuditEntry
		missing, broken, repeated []chain.Span
	}{
		"untouched":          {func(l []fleet.AuditEntry) []fleet.AuditEntry { return l }, nil, nil, nil},
		"the oldest trimmed": {func(l []fleet.AuditEntry) []fleet.AuditEntry { return l[3:] }, nil, nil, nil},
		"two removed":        {func(l []fleet.AuditEntry) []fleet.AuditEntry { return append(l[:4:4], l[6:]...) }, []chain.Span{{5, 6}}, nil, nil},
		"one changed": {func(l []fleet.AuditEntry) []fleet.AuditEntry {
			l[4].After = `{"name":"Attic"}`
			return l
		}, nil, []chain.Span{{6, 6}}, nil},
		"one changed, with the link to it": {func(l []fleet.AuditEntry) []fleet.AuditEntry {
			l[4].Email = "b@example.com"
			l[5].Prev = chain.Digest(&l[4])
			return l
		}, nil, []chain.Span{{7, 7}}, nil},
		"one put in": {func(l []fleet.AuditEntry) []fleet.AuditEntry { return append(l, l[4]) }, nil, nil, []chain.Span{{5, 5}}},
		"another beginning": {func(l []fleet.AuditEntry) []fleet.AuditEntry {
			l[0].Prev = fleet.Digest{1}
			return l
		}, nil, []chain.Span{{1, 2}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var v chain.Verifier
			entries := row.change(log(10))
			for i := range entries {
				v.Add(&entries[len(entries)-1-i]) // in any order
			}
			r := v.Findings()
			if diff := cmp.Diff(row.missing, r.Missing) + cmp.Diff(row.broken, r.Broken) + cmp.Diff(row.repeated, r.Repeated); diff != "" {
				t.Error(diff)
			}
			if r.Sound() != (row.broken == nil && row.repeated == nil) || r.Entries != len(entries) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestWhatWasNotedIsFoundAgain(t *testing.T) {
	entries := log(10)
	noted := chain.Link{Number: 10, Digest: chain.Digest(&entries[9])}
	rewritten := log(9) // and a tenth one that says something else, all linked properly
	other := entries[9]
	other.Object = "lamp-8"
	for name, row := range map[string]struct {
		entries []fleet.AuditEntry
		want    bool
	}{
		"the same log":      {entries, true},
		"one written again": {append(rewritten, other), false},
		"a shorter one":     {entries[:9], false},
	} {
		var v chain.Verifier
		for i := range row.entries {
			v.Add(&row.entries[i])
		}
		if r := v.Findings(); r.Has(noted) != row.want || !r.Sound() {
			t.Errorf("%s: got %t, sound %t, want %t", name, r.Has(noted), r.Sound(), row.want)
		}
	}
}

// TestDigestsStay holds the form that logs were exported in: others verify them too.
func TestDigestsStay(t *testing.T) {
	e := fleet.AuditEntry{
		Team: 1, User: 2, Email: "a@example.com", Action: "device.update", Object: "lamp-7", Before: `{"name":"Attic"}`, After: `{"name":"Hall"}`,
		At: time.Date(2026, 11, 29, 5, 0, 0, 123456789, time.UTC), Token: "0f3a9c51aabb", From: "192.0.2.1", Number: 7, Prev: fleet.Digest{0xab},
	}
	const want = "3b66cc191ef0580e8d093901c2f461abbcadc407de43417f114a1cb436a3fff8" // computed with Python, too
	if got := chain.Digest(&e).String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	e.Product = 3 // entries of earlier releases have none
	const of3 = "5d1c0cbfd50e08a0b6613d7e23750f8fea889caef891cda8d8a0f605008dea19"
	if got := chain.Digest(&e).String(); got != of3 {
		t.Errorf("of a product: got %s, want %s", got, of3)
	}
}
