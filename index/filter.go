package index

import (
	mathbits "math/bits"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// filter answers one DeviceQuery. It works out once per class, per set of groups and per gateway
// what the query means for it.
type filter struct {
	q          fleet.DeviceQuery
	index      *Index
	shard      *shard
	nothing    bool // the query selects nothing
	substrings []substring
	found      [][]matches // of each substring
	prefix     string      // of the name, in lower case
	flagMask   flags       // the flags that count
	flagValues flags       // and what they must be
	gateway    int32       // number of q.Gateway
	visibility visibility
	version    memo // of versions: equal to q.Version
	groups     memo // of group sets: has one of q.Groups
	noGroup    memo // of group sets: has none that the actor sees
	classes    []verdict
	partial    bool   // a class is not selected as a whole
	candidates []bits // of each block: what texts, ids and gateway allow; nil: all rows
}

func newFilter(x *Index, q fleet.DeviceQuery) *filter {
	f := &filter{q: q, index: x, visibility: visibility{index: x, actor: q.Actor}, prefix: strings.ToLower(q.NamePrefix)}
	for _, p := range []substring{{texts, strings.ToLower(q.Text)}, {idText, strings.ToLower(q.IDPart)}, {nameText, strings.ToLower(q.NamePart)}} {
		if p.text != "" {
			f.nothing = f.nothing || strings.Contains(p.text, "\x00")
			f.substrings = append(f.substrings, p)
		}
	}
	for _, fact := range q.Facts {
		f.substrings = append(f.substrings, substring{factTexts, x.factText(fact.Path, fact.Value)})
	}
	f.require(rowOnline, q.Online)
	if !q.Silent.IsZero() {
		f.nothing = f.nothing || q.Online != nil && *q.Online
		f.require(rowOnline, new(false))
	}
	f.require(rowDevelopment, q.Development)
	if q.Groups != nil && q.Actor.Role.Restricted() { // a group that the actor doesn't hold selects nothing
		f.q.Groups = slices.DeleteFunc(slices.Clone(q.Groups), func(g fleet.GroupID) bool {
			return !slices.Contains(q.Actor.Groups, g)
		})
		f.nothing = f.nothing || len(q.Groups) > 0 && len(f.q.Groups) == 0
	}
	return f
}

func (f *filter) require(flag flags, value *bool) {
	if value == nil {
		return
	}
	f.flagMask |= flag
	if *value {
		f.flagValues |= flag
	}
}

// search searches for the substrings. It takes a while, and the caller must not hold the index's
// lock yet.
func (f *filter) search() {
	if f.narrow() { // each row is looked at
		return
	}
	for _, p := range f.substrings {
		f.found = append(f.found, f.index.searches.of(f.q.Actor.Team, p).run(f.index))
	}
}

// begin judges classes and texts, and returns false when the team has no devices. From here on
// the caller must hold the index's lock.
func (f *filter) begin() bool {
	if f.shard = f.index.shards[f.q.Actor.Team]; f.shard == nil {
		return false
	}
	f.visibility.shard = f.shard
	f.gateway = f.index.gateways.numbers[f.q.Gateway]
	f.classes = make([]verdict, len(f.shard.classes))
	for n := range f.shard.classes {
		if c := &f.shard.classes[n]; len(c.rows) > 0 {
			f.classes[n] = f.judge(&c.traits)
			f.partial = f.partial || f.classes[n] != selectAll
		}
	}
	if f.narrow() {
		f.findNamed()
	} else {
		f.findTexts()
		f.findSilent()
	}
	return true
}

// narrow reports whether the query names so few devices that each is looked at.
func (f *filter) narrow() bool { return f.q.IDs != nil || f.q.Gateway != "" }

// findTexts finds the rows with the prefix, which are together in the order of names, and with
// the substrings, also in texts that changed since they were searched.
func (f *filter) findTexts() {
	if len(f.substrings) == 0 && f.prefix == "" {
		return
	}
	f.candidates = make([]bits, len(f.shard.blocks))
	if f.prefix != "" {
		f.shard.withPrefix(f.prefix, func(row int32) { f.candidates[row/blockRows].add(int(row % blockRows)) })
	}
	for i, p := range f.substrings {
		found := f.found[i]
		for n := range f.candidates {
			if n == len(found) {
				found = append(found, matches{})
			}
			found[n].update(f.shard.blocks[n], p)
			if i == 0 && f.prefix == "" {
				f.candidates[n] = found[n].rows
			} else {
				f.candidates[n].intersect(&found[n].rows)
			}
		}
	}
}

// findSilent leaves only the rows whose last handshake is old, which are together in that order.
func (f *filter) findSilent() {
	if f.q.Silent.IsZero() {
		return
	}
	silent := make([]bits, len(f.shard.blocks))
	f.shard.orders[fleet.ByLastHandshake].up(0, 0, func(row int32) bool {
		if f.isSilent(row) {
			silent[row/blockRows].add(int(row % blockRows))
		}
		return f.shard.row(row).lastHandshake < f.q.Silent.UnixNano()
	})
	for n := range f.candidates {
		silent[n].intersect(&f.candidates[n])
	}
	f.candidates = silent
}

// isSilent reports whether the last handshake of a row is as old as the query requires.
func (f *filter) isSilent(row int32) bool {
	at := f.shard.row(row).lastHandshake
	return f.q.Silent.IsZero() || at != 0 && at < f.q.Silent.UnixNano()
}

// findNamed finds the devices that the query names and that have the substrings and the prefix.
func (f *filter) findNamed() {
	f.candidates = make([]bits, len(f.shard.blocks))
	for _, row := range f.named() {
		if f.isSilent(row) && f.hasTexts(row) {
			f.candidates[row/blockRows].add(int(row % blockRows))
		}
	}
}

// named returns the rows of the devices that the query names; some may be there twice.
func (f *filter) named() (rows []int32) {
	if f.q.IDs == nil {
		return f.shard.attached[f.gateway]
	}
	for _, id := range f.q.IDs {
		at, ok := f.index.locations[id]
		if ok && at.shard == f.shard && (f.q.Gateway == "" || f.gateway != 0 && f.shard.row(at.row).gateway == f.gateway) {
			rows = append(rows, at.row)
		}
	}
	return rows
}

func (f *filter) hasTexts(row int32) bool {
	r := f.shard.row(row)
	own := [texts]string{nameText: strings.ToLower(r.name), idText: strings.ToLower(r.id.String())}
	for kind, wanted := range map[int]bool{factTexts: len(f.q.Facts) > 0, noteTexts: f.q.Text != ""} {
		if wanted {
			t := &f.shard.blocks[row/blockRows].texts[kind]
			begin, end := t.place(int(row % blockRows))
			own[kind] = string(t.bytes[begin:end])
		}
	}
	contains := func(p substring) bool {
		return slices.ContainsFunc(p.kinds(), func(kind int) bool { return strings.Contains(own[kind], p.text) })
	}
	return strings.HasPrefix(own[nameText], f.prefix) &&
		!slices.ContainsFunc(f.substrings, func(p substring) bool { return !contains(p) })
}

// selects reports whether f selects a row.
func (f *filter) selects(row int32) bool {
	if f.candidates != nil && !f.candidates[row/blockRows].has(int(row%blockRows)) {
		return false
	}
	return f.passes(f.shard.slot(row).class, row)
}

// each visits every row that f selects, in no order. It looks at the candidates or at the
// classes, whichever is less.
func (f *filter) each(visit func(row int32)) {
	check := func(row int32) {
		if f.selects(row) {
			visit(row)
		}
	}
	candidates, inClasses := f.sizes()
	if f.candidates == nil || candidates > inClasses {
		for n, v := range f.classes {
			if v != selectNone {
				for _, row := range f.shard.classes[n].rows {
					check(row)
				}
			}
		}
		return
	}
	for n := range f.candidates {
		for at, word := range f.candidates[n] {
			for ; word != 0; word &= word - 1 {
				check(int32(n*blockRows + at*64 + mathbits.TrailingZeros64(word)))
			}
		}
	}
}

// sizes returns how many candidates there are, and how many rows are in classes of which some
// may be selected.
func (f *filter) sizes() (candidates, inClasses int) {
	for n := range f.candidates {
		for _, word := range f.candidates[n] {
			candidates += mathbits.OnesCount64(word)
		}
	}
	for n, v := range f.classes {
		if v != selectNone {
			inClasses += len(f.shard.classes[n].rows)
		}
	}
	return candidates, inClasses
}

// count returns how many rows f selects.
func (f *filter) count() (total int) {
	if f.candidates == nil {
		for n := range f.classes {
			total += f.countClass(int32(n))
		}
		return total
	}
	if candidates, _ := f.sizes(); !f.partial {
		return candidates
	}
	f.each(func(int32) { total++ })
	return total
}

// countClass returns how many devices of a class f selects, apart from their texts.
func (f *filter) countClass(n int32) (total int) {
	c := &f.shard.classes[n]
	switch f.classes[n] {
	case selectAll:
		return len(c.rows)
	case selectByGateway, selectByRow:
		for _, row := range c.rows {
			if f.passes(n, row) {
				total++
			}
		}
	}
	return total
}
