package index

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

const maxPage = 100 // rows of one page

// Find returns one page of the devices that q selects and the actor sees, and how many there
// are in all, as of one moment. Filters are applied once per class; a part of a name or id that
// was not searched for recently takes some 20 ms per million devices, without delaying writes.
// It returns ErrNotReady before Finish, and fleet.Invalid for a cursor of another list or order
// and for a Skip above fleet.MaxSkip.
func (x *Index) Find(q fleet.DeviceQuery) (fleet.DevicePage, error) {
	if !x.Ready() {
		return fleet.DevicePage{}, ErrNotReady
	}
	if q.Skip < 0 || q.Skip > fleet.MaxSkip {
		return fleet.DevicePage{}, fleet.FieldErrorf("skip", "page beyond row %d: use the cursor", fleet.MaxSkip)
	}
	l, err := newListing(q)
	if err != nil {
		return fleet.DevicePage{}, err
	}
	var page fleet.DevicePage
	x.query(q, func(f *filter) {
		l.fill(&page, f)
	})
	return page, nil
}

// IDs returns the devices that q selects and the actor sees, by id: those after q.After, which
// is an id here; at most q.Limit, or all if that is 0. It ignores q's Sort and Skip. It returns
// ErrNotReady before Finish.
func (x *Index) IDs(q fleet.DeviceQuery) ([]fleet.DeviceID, error) {
	if !x.Ready() {
		return nil, ErrNotReady
	}
	var ids []fleet.DeviceID
	x.query(q, func(f *filter) {
		l := &listing{by: fleet.ByID, after: &sortKey{id: fleet.DeviceID(q.After).In(q.Actor.Team)}}
		rows, total := l.rowsToSort(f, q.Limit)
		l.visit(f, rows, total, q.Limit, func(row int32) bool {
			ids = append(ids, f.shard.row(row).id)
			return len(ids) != q.Limit
		})
	})
	return ids, nil
}

// query calls use with a filter for q, which use may ask while it runs: the index's lock is
// held. use is not called if q selects nothing.
func (x *Index) query(q fleet.DeviceQuery, use func(f *filter)) {
	if q.Actor.Role == fleet.NoRole {
		return
	}
	q.IDs, q.Gateway = fleet.DevicesIn(q.Actor.Team, q.IDs), q.Gateway.In(q.Actor.Team)
	f := newFilter(x, q)
	if f.nothing {
		return
	}
	f.search()
	x.mu.RLock()
	defer x.mu.RUnlock()
	if f.begin() {
		use(f)
	}
}

// rowsToSort returns the rows that f selects, in no order, or nil if finding the first ones of the page,
// or all if first is 0, is less work by walking the listing's order; and how many there are.
func (l *listing) rowsToSort(f *filter, first int) (rows []int32, total int) {
	total = f.count()
	share := f.index.sortShare
	if l.after != nil || sortsAll(first, total) {
		share *= 8 // a walk begins at the cursor, and a comparison of names takes as long as passing ten rows
	}
	if total > f.index.sortLimit || total*share > f.shard.used {
		return nil, total
	}
	rows = make([]int32, 0, total)
	f.each(func(row int32) { rows = append(rows, row) })
	return rows, total
}

// fill fills a page with the next rows of the listing.
func (l *listing) fill(page *fleet.DevicePage, f *filter) {
	limit, skip := min(max(f.q.Limit, 1), maxPage), f.q.Skip
	first := skip + limit + 1
	rows, total := l.rowsToSort(f, first)
	if page.Total = total; total == 0 {
		return
	}
	var last int32
	l.visit(f, rows, total, first, func(row int32) bool {
		if skip > 0 {
			skip--
			return true
		}
		if len(page.IDs) == limit {
			page.Next = l.cursor(f.index.sortKey(l.by, f.shard, last))
			return false
		}
		page.IDs = append(page.IDs, f.shard.row(row).id)
		last = row
		return true
	})
}

// visit visits the rows that f selects after the cursor, in order, until visit returns false.
// rows are all rows that f selects, or nil: then it walks the shard's order until it found total. visit
// is called first times at most; 0: for all rows.
func (l *listing) visit(f *filter, rows []int32, total, first int, visit func(row int32) bool) {
	x, s := f.index, f.shard
	if rows == nil {
		l.walk(x, s, func(row int32) bool {
			if !f.selects(row) {
				return true
			}
			total--
			return visit(row) && total > 0
		})
		return
	}
	if l.after != nil {
		rows = slices.DeleteFunc(rows, func(row int32) bool {
			key := x.sortKey(l.by, s, row)
			side := key.compare(l.after)
			return side == 0 || side < 0 != l.descending
		})
	}
	for _, row := range sorted(rows, first, func(a, b int32) int {
		if l.descending {
			a, b = b, a
		}
		return s.orders[l.by].compare(a, b)
	}) {
		if !visit(row) {
			return
		}
	}
}

// sorted sorts rows and returns the first n, or all if n is 0. It takes far less time where n is
// small: a page has few of the rows that it is taken from.
func sorted(rows []int32, n int, compare func(a, b int32) int) []int32 {
	if sortsAll(n, len(rows)) {
		slices.SortFunc(rows, compare)
		return rows
	}
	first := slices.Clone(rows[:n])
	slices.SortFunc(first, compare)
	for _, row := range rows[n:] {
		if compare(row, first[n-1]) < 0 {
			at, _ := slices.BinarySearchFunc(first, row, compare)
			copy(first[at+1:], first[at:n-1])
			first[at] = row
		}
	}
	return first
}

// sortsAll reports whether sorted sorts all rows for the first n.
func sortsAll(n, rows int) bool { return n == 0 || 4*n > rows }
