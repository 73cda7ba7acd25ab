package store

import (
	"cmp"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// MaxSkip is the most rows Find leaves out.
const MaxSkip = 10_000

// Find returns one page of the devices q selects and the actor sees, and how many there
// are in all. It looks at every device of the team: 40 ms per million, up to 200
// ms for late pages sorted by name. It returns
// fleet.Unavailable until the index is ready and fleet.Invalid for a cursor of another
// list or order, or a Skip above MaxSkip.
func (x *Index) Find(q fleet.DeviceQuery) (fleet.DevicePage, error) {
	if err := x.ready(); err != nil {
		return fleet.DevicePage{}, err
	}
	if q.Skip < 0 || q.Skip > MaxSkip {
		return fleet.DevicePage{}, fleet.FieldErrorf("skip", "page beyond row %d: use the cursor", MaxSkip)
	}
	if q.Actor.Role == fleet.NoRole {
		return fleet.DevicePage{}, nil
	}
	order, err := x.newOrder(q)
	if err != nil {
		return fleet.DevicePage{}, err
	}
	f := newFilter(x, q)
	best := newBest(order, q.Skip+pageLimit(q.Limit)+1)
	total := 0
	x.pages(q.Actor.Team, func(rows []row) bool {
		for i := range rows {
			if f.selects(&rows[i]) {
				total++
				best.offer(&rows[i])
			}
		}
		return true
	}, nil)
	return best.page(q, total), nil
}

// filter is a DeviceQuery prepared for many rows.
type filter struct {
	q        fleet.DeviceQuery
	index    *Index
	eye      eye
	ids      map[fleet.DeviceID]bool
	nothing  bool
	idPart   string
	namePart string
	prefix   string
	version  map[int32]bool // pool numbers seen: whether they are q.Version
}

func newFilter(x *Index, q fleet.DeviceQuery) *filter {
	f := &filter{
		q: q, index: x, eye: eye{index: x, actor: q.Actor}, version: map[int32]bool{},
		idPart: strings.ToLower(q.IDPart), namePart: strings.ToLower(q.NamePart), prefix: strings.ToLower(q.NamePrefix),
	}
	if q.IDs != nil {
		f.ids = make(map[fleet.DeviceID]bool, len(q.IDs))
		for _, id := range q.IDs {
			f.ids[id] = true
		}
	}
	if q.Groups != nil && q.Actor.Role.Restricted() { // a group the actor does not hold selects nothing
		f.q.Groups = slices.DeleteFunc(slices.Clone(q.Groups), func(g fleet.GroupID) bool {
			return !slices.Contains(q.Actor.Groups, g)
		})
		f.nothing = len(q.Groups) > 0 && len(f.q.Groups) == 0
	}
	return f
}

// selects must be called with the index's lock held.
func (f *filter) selects(r *row) bool {
	q := &f.q
	return r.id != "" && !f.nothing &&
		(q.Product == 0 || r.product == q.Product) &&
		(f.ids == nil || f.ids[r.id]) &&
		(q.Online == nil || *q.Online == (r.flags&rowOnline != 0)) &&
		(q.Development == nil || *q.Development == (r.flags&rowDevelopment != 0)) &&
		(q.Locked == nil || *q.Locked == (r.lock != 0)) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, r.kind)) &&
		(q.Gateway == "" || f.index.gateways.values[r.gateway] == q.Gateway) &&
		(q.Version.IsZero() || f.runs(r.running)) &&
		(len(q.Groups) == 0 || f.inGroups(r)) &&
		(f.idPart == "" || containsFold(string(r.id), f.idPart)) &&
		(f.namePart == "" || containsFold(r.name, f.namePart)) &&
		(f.prefix == "" || strings.HasPrefix(strings.ToLower(r.name), f.prefix)) &&
		f.eye.sees(r)
}

func (f *filter) runs(number int32) bool {
	is, known := f.version[number]
	if !known {
		is = f.index.versions.values[number].Equal(f.q.Version)
		f.version[number] = is
	}
	return is
}

func (f *filter) inGroups(r *row) bool {
	return slices.ContainsFunc(f.index.sets[r.groups], func(g fleet.GroupID) bool {
		return slices.Contains(f.q.Groups, g)
	})
}

// containsFold reports whether s contains lower, which is in lower case, whatever the
// case of s.
func containsFold(s, lower string) bool {
	return strings.Contains(s, lower) || strings.Contains(strings.ToLower(s), lower)
}

// best keeps the first rows of an order that come after its cursor.
type best struct {
	order *order
	limit int
	found []candidate
	full  bool // found[limit-1] is the last that may still come in
}

func newBest(o *order, limit int) *best { return &best{order: o, limit: limit} }

func (b *best) offer(r *row) {
	c := b.order.candidate(r)
	if b.order.after != nil && b.order.compare(c, *b.order.after) <= 0 {
		return
	}
	if b.full && b.order.compare(c, b.found[b.limit-1]) >= 0 {
		return
	}
	b.found = append(b.found, c)
	if len(b.found) >= 2*b.limit+64 {
		b.cut()
	}
}

func (b *best) cut() {
	slices.SortFunc(b.found, b.order.compare)
	if len(b.found) >= b.limit {
		b.found, b.full = b.found[:b.limit], true
	}
}

func (b *best) page(q fleet.DeviceQuery, total int) fleet.DevicePage {
	b.cut()
	rows := b.found[min(q.Skip, len(b.found)):]
	page := fleet.DevicePage{Total: total}
	if limit := pageLimit(q.Limit); len(rows) > limit {
		rows = rows[:limit]
		page.Next = b.order.cursor(rows[limit-1])
	}
	for _, c := range rows {
		page.IDs = append(page.IDs, c.id)
	}
	return page
}

// candidate is a row with what its order sorts by.
type candidate struct {
	number int64
	text   string
	id     fleet.DeviceID
}

func (o *order) compare(a, b candidate) int {
	c := cmp.Compare(a.number, b.number)
	if c == 0 && o.by == fleet.ByName {
		c = compareFold(a.text, b.text)
	}
	c = cmp.Or(c, strings.Compare(string(a.id), string(b.id)))
	if o.descending {
		return -c
	}
	return c
}

// compareFold compares byte by byte with A to Z as a to z.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(lower(a[i]), lower(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
