package store

import (
	"encoding/base64"
	"sort"
	"strconv"
	"strings"

	"slices"

	"github.com/muster-iot/muster/fleet"
)

// order is how one Find sorts. Versions are compared by their rank among those the fleet
// runs, found once.
type order struct {
	index      *Index
	by         fleet.DeviceSort
	descending bool
	after      *candidate // the cursor; nil: from the start
	sorted     []fleet.Version
	ranks      map[fleet.Version]int64
}

func (x *Index) newOrder(q fleet.DeviceQuery) (*order, error) {
	o := &order{index: x, by: q.Sort, descending: q.Descending}
	if o.by == fleet.ByVersion {
		o.rankVersions()
	}
	if q.After == "" {
		return o, nil
	}
	c, ok := o.parse(q.After)
	if !ok {
		return nil, fleet.FieldErrorf("after", "cursor %.60q is not one of this list: start again without it", q.After)
	}
	o.after = &c
	return o, nil
}

func (o *order) rankVersions() {
	x := o.index
	x.mu.RLock()
	for n, v := range x.versions.values {
		if v.Valid() && x.versions.uses[n] > 0 {
			o.sorted = append(o.sorted, v)
		}
	}
	x.mu.RUnlock()
	slices.SortFunc(o.sorted, fleet.Version.Compare)
	o.sorted = slices.CompactFunc(o.sorted, fleet.Version.Equal)
	o.ranks = make(map[fleet.Version]int64, len(o.sorted))
}

// rank is odd for a version the fleet runs, even for one between two of those, 0 below
// all for what can't be compared.
func (o *order) rank(v fleet.Version) int64 {
	if !v.Valid() {
		return 0
	}
	rank, known := o.ranks[v]
	if !known {
		i := sort.Search(len(o.sorted), func(i int) bool { return o.sorted[i].Compare(v) >= 0 })
		rank = int64(2*i) + 2
		if i < len(o.sorted) && o.sorted[i].Equal(v) {
			rank++
		}
		o.ranks[v] = rank
	}
	return rank
}

// candidate must be called with the index's lock held.
func (o *order) candidate(r *row) candidate {
	c := candidate{id: r.id}
	switch o.by {
	case fleet.ByName:
		c.text = r.name
	case fleet.ByVersion:
		v := o.index.versions.values[r.running]
		c.text, c.number = v.String(), o.rank(v)
	case fleet.ByLastHandshake:
		c.number = r.lastHandshake
	}
	return c
}

// cursor writes the place of c: the order, what it sorts by, the id.
func (o *order) cursor(c candidate) string {
	key := c.text
	if o.by == fleet.ByLastHandshake {
		key = strconv.FormatInt(c.number, 10)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join([]string{o.name(), key, string(c.id)}, "\x00")))
}

func (o *order) name() string {
	return strconv.Itoa(int(o.by)) + strconv.FormatBool(o.descending)
}

func (o *order) parse(cursor string) (c candidate, ok bool) {
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	name, rest, _ := strings.Cut(string(data), "\x00")
	end := strings.LastIndexByte(rest, 0) // a name may hold any byte, an id does not
	if err != nil || name != o.name() || end < 0 {
		return c, false
	}
	c.text, c.id = rest[:end], fleet.DeviceID(rest[end+1:])
	switch o.by {
	case fleet.ByVersion:
		c.number = o.rank(fleet.ReportedVersion(c.text))
	case fleet.ByLastHandshake:
		c.number, err = strconv.ParseInt(c.text, 10, 64)
	}
	return c, err == nil
}
