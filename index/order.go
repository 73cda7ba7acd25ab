package index

import (
	"cmp"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muster-iot/muster/fleet"
)

// order is how one Find sorts.
type order struct {
	by         fleet.DeviceSort
	descending bool
	after      *candidate // the cursor; nil: from the start
}

func newOrder(q fleet.DeviceQuery) (*order, error) {
	if q.Sort >= sorts {
		return nil, fleet.FieldErrorf("sort", "no such order")
	}
	o := &order{by: q.Sort, descending: q.Descending}
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

// candidate is a row's place in an order: what it sorts by, and the id.
type candidate struct {
	number  int64
	text    string
	version fleet.Version
	id      fleet.DeviceID
}

// candidate must be called with the index's lock held.
func (x *Index) candidate(by fleet.DeviceSort, l line) candidate {
	c := candidate{id: l.id}
	switch by {
	case fleet.ByName:
		c.text = l.name
	case fleet.ByVersion:
		c.version = x.versions.values[l.running]
	case fleet.ByLastHandshake:
		c.number = l.lastHandshake
	}
	return c
}

func (c *candidate) compare(other *candidate) int {
	return cmp.Or(cmp.Compare(c.number, other.number), compareFold(c.text, other.text),
		compareVersions(c.version, other.version), strings.Compare(string(c.id), string(other.id)))
}

// comparison compares rows of s by an order, with the index's lock held.
func (x *Index) comparison(s *shelf, by fleet.DeviceSort) func(a, b int32) int {
	return func(a, b int32) int {
		one, other := x.candidate(by, s.at(a)), x.candidate(by, s.at(b))
		return one.compare(&other)
	}
}

func compareVersions(a, b fleet.Version) int {
	if a == b {
		return 0
	}
	return a.Compare(b)
}

// compareFold compares by Unicode code point what both are in lower case.
func compareFold(a, b string) int {
	for a != "" && b != "" {
		one, n := foldRune(a)
		other, m := foldRune(b)
		if one != other {
			return cmp.Compare(one, other)
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// foldRune is the first rune of s as strings.ToLower has it, and its length in s.
func foldRune(s string) (rune, int) {
	switch c := s[0]; {
	case 'A' <= c && c <= 'Z':
		return rune(c + 'a' - 'A'), 1
	case c < utf8.RuneSelf:
		return rune(c), 1
	}
	r, n := utf8.DecodeRuneInString(s)
	return unicode.ToLower(r), n
}

// withPrefix visits the rows whose name begins with prefix, which is in lower case.
func (s *shelf) withPrefix(prefix string, visit func(row int32)) {
	rows, end := &s.orders[fleet.ByName], int32(-1)
	if chunk, i := rows.seek(func(row int32) bool {
		name := s.row(row).name
		return compareFold(name, prefix) < 0 || strings.HasPrefix(strings.ToLower(name), prefix)
	}); chunk < len(rows.chunks) {
		end = rows.chunks[chunk][i]
	}
	chunk, i := rows.seek(func(row int32) bool { return compareFold(s.row(row).name, prefix) < 0 })
	rows.up(chunk, i, func(row int32) bool {
		if row != end {
			visit(row)
		}
		return row != end
	})
}

// walk visits the rows of s after the cursor, in order, until visit returns false. It
// must be called with the index's lock held.
func (o *order) walk(x *Index, s *shelf, visit func(row int32) bool) {
	rows := &s.orders[o.by]
	passed := func(over int) func(int32) bool { // before the cursor, or with over 1 also at it
		return func(row int32) bool {
			c := x.candidate(o.by, s.at(row))
			return c.compare(o.after) < over
		}
	}
	switch {
	case o.descending && o.after == nil:
		rows.down(len(rows.chunks), 0, visit)
	case o.descending:
		chunk, i := rows.seek(passed(0))
		rows.down(chunk, i, visit)
	case o.after == nil:
		rows.up(0, 0, visit)
	default:
		chunk, i := rows.seek(passed(1))
		rows.up(chunk, i, visit)
	}
}

// cursor writes the place of c: the order, what it sorts by, the id.
func (o *order) cursor(c candidate) string {
	key := c.text
	switch o.by {
	case fleet.ByVersion:
		key = c.version.String()
	case fleet.ByLastHandshake:
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
	key := rest[:end]
	c.id = fleet.DeviceID(rest[end+1:])
	switch o.by {
	case fleet.ByName:
		c.text = key
	case fleet.ByVersion:
		c.version = fleet.ReportedVersion(key)
	case fleet.ByLastHandshake:
		c.number, err = strconv.ParseInt(key, 10, 64)
	}
	return c, err == nil
}
