package index

import (
	mathbits "math/bits"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// filter is a DeviceQuery about to be answered. What it says of classes, sets of groups and
// gateways it works out once each.
type filter struct {
	q       fleet.DeviceQuery
	index   *Index
	shelf   *shelf
	nothing bool
	parts   []part
	found   [][]found // of each part
	prefix  string    // of the name, in lower case
	must    flags     // which flags count
	be      flags     // and what they must be
	gateway int32     // of q.Gateway
	eye     eye
	version learned
	groups  learned
	none    learned
	classes []verdict
	choosy  bool   // not all of them are selected
	marks   []bits // of each page the rows that texts, ids and gateway leave; nil: all
}

func newFilter(x *Index, q fleet.DeviceQuery) *filter {
	f := &filter{q: q, index: x, eye: eye{index: x, actor: q.Actor}, prefix: strings.ToLower(q.NamePrefix)}
	for _, p := range []part{{idText, strings.ToLower(q.IDPart)}, {nameText, strings.ToLower(q.NamePart)}} {
		if p.text != "" {
			f.nothing = f.nothing || strings.Contains(p.text, "\x00")
			f.parts = append(f.parts, p)
		}
	}
	f.wants(rowOnline, q.Online)
	f.wants(rowDevelopment, q.Development)
	if q.Groups != nil && q.Actor.Role.Restricted() { // a group the actor does not hold selects nothing
		f.q.Groups = slices.DeleteFunc(slices.Clone(q.Groups), func(g fleet.GroupID) bool {
			return !slices.Contains(q.Actor.Groups, g)
		})
		f.nothing = f.nothing || len(q.Groups) > 0 && len(f.q.Groups) == 0
	}
	return f
}

func (f *filter) wants(flag flags, be *bool) {
	if be == nil {
		return
	}
	f.must |= flag
	if *be {
		f.be |= flag
	}
}

// search looks for the parts, before the index's lock is taken: it takes a while.
func (f *filter) search() {
	if f.narrow() { // each row is looked at
		return
	}
	for _, p := range f.parts {
		f.found = append(f.found, f.index.searches.of(f.q.Actor.Team, p).look(f.index))
	}
}

// begin judges classes and texts. The index's lock must be held from here on. It returns
// false when the team has no devices.
func (f *filter) begin() bool {
	if f.shelf = f.index.shelves[f.q.Actor.Team]; f.shelf == nil {
		return false
	}
	f.eye.shelf = f.shelf
	f.gateway = f.index.gateways.numbers[f.q.Gateway]
	f.classes = make([]verdict, len(f.shelf.classes))
	for n := range f.shelf.classes {
		if c := &f.shelf.classes[n]; len(c.rows) > 0 {
			f.classes[n] = f.judge(&c.fact)
			f.choosy = f.choosy || f.classes[n] != yes
		}
	}
	if f.narrow() {
		f.markNamed()
	} else if len(f.parts) > 0 || f.prefix != "" {
		f.mark()
	}
	return true
}

// narrow reports whether the query names so few devices that each is looked at.
func (f *filter) narrow() bool { return f.q.IDs != nil || f.q.Gateway != "" }

// mark notes the rows that have the parts, in texts that changed since they were searched,
// too, and the prefix: those stand together in the order of names.
func (f *filter) mark() {
	f.marks = make([]bits, len(f.shelf.pages))
	if f.prefix != "" {
		f.shelf.withPrefix(f.prefix, func(row int32) { f.marks[row/pageRows].add(int(row % pageRows)) })
	}
	for i, p := range f.parts {
		pages := f.found[i]
		for n := range f.marks {
			if n == len(pages) {
				pages = append(pages, found{})
			}
			pages[n].look(f.shelf.pages[n], p)
			if i == 0 && f.prefix == "" {
				f.marks[n] = pages[n].rows
			} else {
				f.marks[n].keep(&pages[n].rows)
			}
		}
	}
}

// markNamed notes the devices the query names that have the parts and the prefix.
func (f *filter) markNamed() {
	f.marks = make([]bits, len(f.shelf.pages))
	for _, row := range f.named() {
		if f.reads(f.shelf.row(row)) {
			f.marks[row/pageRows].add(int(row % pageRows))
		}
	}
}

// selects reports whether f selects a row of the shelf.
func (f *filter) selects(row int32) bool {
	if f.marks != nil && !f.marks[row/pageRows].has(int(row%pageRows)) {
		return false
	}
	switch n := f.shelf.link(row).class; f.classes[n] {
	case yes:
		return true
	case ask:
		return f.eye.seesThrough(&f.shelf.classes[n].fact, f.shelf.row(row).gateway)
	}
	return false
}

// each visits every row f selects, in no order: it looks at what is marked or at the
// classes, whichever is less.
func (f *filter) each(visit func(row int32)) {
	offer := func(row int32) {
		if f.selects(row) {
			visit(row)
		}
	}
	marked, most := f.sizes()
	if f.marks == nil || marked > most {
		for n, v := range f.classes {
			if v != no {
				for _, row := range f.shelf.classes[n].rows {
					offer(row)
				}
			}
		}
		return
	}
	for n := range f.marks {
		for at, word := range f.marks[n] {
			for ; word != 0; word &= word - 1 {
				offer(int32(n*pageRows + at*64 + mathbits.TrailingZeros64(word)))
			}
		}
	}
}

// sizes are how many rows are marked, and how many are in classes that may be selected.
func (f *filter) sizes() (marked, most int) {
	for n := range f.marks {
		for _, word := range f.marks[n] {
			marked += mathbits.OnesCount64(word)
		}
	}
	for n, v := range f.classes {
		if v != no {
			most += len(f.shelf.classes[n].rows)
		}
	}
	return marked, most
}

// count is how many rows f selects.
func (f *filter) count() (total int) {
	if f.marks == nil {
		for n := range f.classes {
			total += f.members(int32(n))
		}
		return total
	}
	if marked, _ := f.sizes(); !f.choosy {
		return marked
	}
	f.each(func(int32) { total++ })
	return total
}

// members is how many devices of a class f selects, apart from texts.
func (f *filter) members(n int32) (total int) {
	c := &f.shelf.classes[n]
	switch f.classes[n] {
	case yes:
		return len(c.rows)
	case ask:
		for _, row := range c.rows {
			if f.eye.seesThrough(&c.fact, f.shelf.row(row).gateway) {
				total++
			}
		}
	}
	return total
}

// named are the rows of the devices the query names; some may come twice.
func (f *filter) named() (rows []int32) {
	if f.q.IDs == nil {
		return f.shelf.attached[f.gateway]
	}
	for _, id := range f.q.IDs {
		at, ok := f.index.places[id]
		if ok && at.shelf == f.shelf && (f.q.Gateway == "" || f.gateway != 0 && f.shelf.row(at.row).gateway == f.gateway) {
			rows = append(rows, at.row)
		}
	}
	return rows
}

// reads is what the searched texts say of one row.
func (f *filter) reads(r *row) bool {
	own := [texts]string{nameText: strings.ToLower(r.name), idText: strings.ToLower(string(r.id))}
	return strings.HasPrefix(own[nameText], f.prefix) &&
		!slices.ContainsFunc(f.parts, func(p part) bool { return !strings.Contains(own[p.kind], p.text) })
}
