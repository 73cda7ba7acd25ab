package index

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

const maxPage = 100 // rows of one page

// Find returns one page of the devices q selects and the actor sees, and how many there
// are in all, as of one moment. What filters look at it asks once for all devices that are
// alike; a part of a name or id that was not asked for lately takes some 20 ms per million
// devices to find, without holding up writes. It returns fleet.Unavailable until the index
// is ready and fleet.Invalid for a cursor of another list or order, or a Skip above
// fleet.MaxSkip.
func (x *Index) Find(q fleet.DeviceQuery) (fleet.DevicePage, error) {
	if err := x.ready(); err != nil {
		return fleet.DevicePage{}, err
	}
	if q.Skip < 0 || q.Skip > fleet.MaxSkip {
		return fleet.DevicePage{}, fleet.FieldErrorf("skip", "page beyond row %d: use the cursor", fleet.MaxSkip)
	}
	order, err := newOrder(q)
	if err != nil {
		return fleet.DevicePage{}, err
	}
	var page fleet.DevicePage
	x.selection(q, func(f *filter) {
		var rows []int32
		if rows, page.Total = f.few(); page.Total > 0 {
			f.gather(order, rows, &page)
		}
	})
	return page, nil
}

// IDs are the devices q selects and the actor sees, by id, from the one behind q.After on,
// which is an id here: all, or as many as q.Limit says where it is not 0. Sort and skip of q
// count for nothing. It returns fleet.Unavailable until the index is ready.
func (x *Index) IDs(q fleet.DeviceQuery) ([]fleet.DeviceID, error) {
	if err := x.ready(); err != nil {
		return nil, err
	}
	var ids []fleet.DeviceID
	x.selection(q, func(f *filter) {
		rows, total := f.few()
		o := &order{by: fleet.ByID, after: &candidate{id: fleet.DeviceID(q.After)}}
		o.visit(f, rows, total, func(row int32) bool {
			ids = append(ids, f.shelf.row(row).id)
			return len(ids) != q.Limit
		})
	})
	return ids, nil
}

// selection calls use with the lock held and a filter that is ready, unless q selects
// nothing of what is there.
func (x *Index) selection(q fleet.DeviceQuery, use func(f *filter)) {
	if q.Actor.Role == fleet.NoRole {
		return
	}
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

// few are the rows f selects, in no order, nil when they are more than the index wants to sort;
// and how many there are.
func (f *filter) few() (rows []int32, total int) {
	if total = f.count(); total > f.index.few {
		return nil, total
	}
	rows = make([]int32, 0, total)
	f.each(func(row int32) { rows = append(rows, row) })
	return rows, total
}

// gather fills page with the rows that come next in the order.
func (f *filter) gather(o *order, rows []int32, page *fleet.DevicePage) {
	limit, skip := min(max(f.q.Limit, 1), maxPage), f.q.Skip
	var end int32
	o.visit(f, rows, page.Total, func(row int32) bool {
		if skip > 0 {
			skip--
			return true
		}
		if len(page.IDs) == limit {
			c := f.index.candidate(o.by, f.shelf.at(end))
			page.Next = o.cursor(c)
			return false
		}
		page.IDs = append(page.IDs, f.shelf.row(row).id)
		end = row
		return true
	})
}

// visit visits the rows f selects that come after the cursor, in order, until visit
// returns false: rows, or when that is nil what a walk finds, total at most.
func (o *order) visit(f *filter, rows []int32, total int, visit func(row int32) bool) {
	x, s := f.index, f.shelf
	if rows == nil {
		o.walk(x, s, func(row int32) bool {
			if !f.selects(row) {
				return true
			}
			total--
			return visit(row) && total > 0
		})
		return
	}
	if o.after != nil {
		rows = slices.DeleteFunc(rows, func(row int32) bool {
			c := x.candidate(o.by, s.at(row))
			side := c.compare(o.after)
			return side == 0 || side < 0 != o.descending
		})
	}
	slices.SortFunc(rows, func(a, b int32) int {
		if o.descending {
			a, b = b, a
		}
		return s.orders[o.by].compare(a, b)
	})
	for _, row := range rows {
		if !visit(row) {
			return
		}
	}
}
