package store

import (
	mathbits "math/bits"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// MaxSkip is the most rows Find leaves out.
const MaxSkip = 10_000

// Find returns one page of the devices q selects and the actor sees, and how many there
// are in all. It looks at each device of the team to count them and walks an order that
// is kept: some ms per million devices. It returns fleet.Unavailable until the index is
// ready and fleet.Invalid for a cursor of another list or order, or a Skip above MaxSkip.
func (x *Index) Find(q fleet.DeviceQuery) (fleet.DevicePage, error) {
	if err := x.ready(); err != nil {
		return fleet.DevicePage{}, err
	}
	if q.Skip < 0 || q.Skip > MaxSkip {
		return fleet.DevicePage{}, fleet.FieldErrorf("skip", "page beyond row %d: use the cursor", MaxSkip)
	}
	order, err := newOrder(q)
	if err != nil {
		return fleet.DevicePage{}, err
	}
	if q.Actor.Role == fleet.NoRole {
		return fleet.DevicePage{}, nil
	}
	f := newFilter(x, q)
	found, total := f.find()
	page := fleet.DevicePage{Total: total}
	if total > 0 {
		f.gather(order, found, &page)
	}
	return page, nil
}

// find marks, page by page, the rows that f selects.
func (f *filter) find() (found []bits, total int) {
	if f.nothing {
		return nil, 0
	}
	if f.q.IDs != nil {
		return f.findIDs()
	}
	f.index.pages(f.q.Actor.Team, func(p *page, used int) bool {
		found = append(found, bits{})
		here := &found[len(found)-1]
		f.begin()
		for i := range p.facts[:used] {
			if f.selects(&p.facts[i]) {
				here.add(i)
			}
		}
		for _, t := range f.parts {
			if *here == (bits{}) {
				break
			}
			having := having(p.text(t.kind), t.part, t.atStart)
			here.keep(&having)
		}
		for _, word := range here {
			total += mathbits.OnesCount64(word)
		}
		return true
	}, nil)
	return found, total
}

// findIDs is find where the query names the devices.
func (f *filter) findIDs() (found []bits, total int) {
	x := f.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.shelves[f.q.Actor.Team]
	if s == nil {
		return nil, 0
	}
	found = make([]bits, len(s.pages))
	f.begin()
	for _, id := range f.q.IDs {
		at, ok := x.places[id]
		if !ok || at.shelf != s {
			continue
		}
		l, here := s.at(at.row), &found[at.row/pageRows]
		if i := int(at.row % pageRows); !here.has(i) && f.selects(l.fact) && f.reads(l.row) {
			here.add(i)
			total++
		}
	}
	return found, total
}

// gather fills page with the rows of found that come next in the order.
func (f *filter) gather(o *order, found []bits, page *fleet.DevicePage) {
	x, limit, skip := f.index, pageLimit(f.q.Limit), f.q.Skip
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.shelves[f.q.Actor.Team]
	if s == nil {
		return
	}
	f.forget()
	f.begin()
	var end candidate
	o.walk(x, s, func(row int32) bool {
		if n := int(row / pageRows); n >= len(found) || !found[n].has(int(row%pageRows)) {
			return true
		}
		if skip > 0 {
			skip--
			return true
		}
		l := s.at(row)
		if !f.selects(l.fact) { // changed since it was found: it may be out of sight now
			return true
		}
		if len(page.IDs) == limit {
			page.Next = o.cursor(end)
			return false
		}
		page.IDs = append(page.IDs, l.id)
		end = x.candidate(o.by, l)
		return true
	})
}

// reads is what the searched texts say of one row.
func (f *filter) reads(r *row) bool {
	for _, t := range f.parts {
		own := r.name
		if t.kind == idText {
			own = string(r.id)
		}
		if own = strings.ToLower(own); t.atStart && !strings.HasPrefix(own, t.part) || !strings.Contains(own, t.part) {
			return false
		}
	}
	return true
}
