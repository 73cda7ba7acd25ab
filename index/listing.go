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

// listing is an order of devices and where in it a page begins.
type listing struct {
	by         fleet.DeviceSort
	descending bool
	after      *sortKey // the cursor; nil: from the start
}

func newListing(q fleet.DeviceQuery) (*listing, error) {
	if q.Sort >= orders {
		return nil, fleet.FieldErrorf("sort", "no such order")
	}
	l := &listing{by: q.Sort, descending: q.Descending}
	if q.After == "" {
		return l, nil
	}
	key, ok := l.parse(q.After)
	if !ok {
		return nil, fleet.FieldErrorf("after", "cursor %.60q is not one of this list: start again without it", q.After)
	}
	key.id = key.id.In(q.Actor.Team)
	l.after = &key
	return l, nil
}

// sortKey is what a row is sorted by, and its id.
type sortKey struct {
	number  int64
	text    string
	version fleet.Version
	id      fleet.DeviceID
}

// sortKey returns the key of a row; the caller must hold x.mu.
func (x *Index) sortKey(by fleet.DeviceSort, s *shard, at int32) sortKey {
	r := s.row(at)
	key := sortKey{id: r.id}
	switch by {
	case fleet.ByName:
		key.text = r.name
	case fleet.ByVersion:
		key.version = x.versions.values[s.traits(at).running]
	case fleet.ByLastHandshake:
		key.number = r.lastHandshake
	}
	return key
}

func (k *sortKey) compare(other *sortKey) int {
	return cmp.Or(cmp.Compare(k.number, other.number), compareFold(k.text, other.text),
		compareVersions(k.version, other.version), cmp.Compare(k.id, other.id))
}

// comparison returns the function that compares rows of s in an order; its caller must hold x.mu.
func (x *Index) comparison(s *shard, by fleet.DeviceSort) func(a, b int32) int {
	return func(a, b int32) int {
		one, other := x.sortKey(by, s, a), x.sortKey(by, s, b)
		return one.compare(&other)
	}
}

func compareVersions(a, b fleet.Version) int {
	if a == b {
		return 0
	}
	return a.Compare(b)
}

// compareFold compares the lower case of a and b by Unicode code points.
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

// foldRune returns the first rune of s in lower case, as strings.ToLower has it, and its length
// in s.
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

// withPrefix visits the rows whose name begins with prefix, which must be in lower case.
func (s *shard) withPrefix(prefix string, visit func(row int32)) {
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

// walk visits the rows of s after the cursor, in order, until visit returns false; the caller
// must hold x.mu.
func (l *listing) walk(x *Index, s *shard, visit func(row int32) bool) {
	rows := &s.orders[l.by]
	passed := func(over int) func(int32) bool { // before the cursor; with over 1 also at it
		return func(row int32) bool {
			key := x.sortKey(l.by, s, row)
			return key.compare(l.after) < over
		}
	}
	switch {
	case l.descending && l.after == nil:
		rows.down(len(rows.chunks), 0, visit)
	case l.descending:
		chunk, i := rows.seek(passed(0))
		rows.down(chunk, i, visit)
	case l.after == nil:
		rows.up(0, 0, visit)
	default:
		chunk, i := rows.seek(passed(1))
		rows.up(chunk, i, visit)
	}
}

// cursor returns a text of the listing's order and of key, which parse reads.
func (l *listing) cursor(key sortKey) string {
	text := key.text
	switch l.by {
	case fleet.ByVersion:
		text = key.version.String()
	case fleet.ByLastHandshake:
		text = strconv.FormatInt(key.number, 10)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join([]string{l.name(), text, key.id.String()}, "\x00")))
}

func (l *listing) name() string {
	return strconv.Itoa(int(l.by)) + strconv.FormatBool(l.descending)
}

func (l *listing) parse(cursor string) (key sortKey, ok bool) {
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	name, rest, _ := strings.Cut(string(data), "\x00")
	end := strings.LastIndexByte(rest, 0) // a name may contain any byte, an id doesn't
	if err != nil || name != l.name() || end < 0 {
		return key, false
	}
	text := rest[:end]
	key.id = fleet.DeviceID(rest[end+1:])
	switch l.by {
	case fleet.ByName:
		key.text = text
	case fleet.ByVersion:
		key.version = fleet.ReportedVersion(text)
	case fleet.ByLastHandshake:
		key.number, err = strconv.ParseInt(text, 10, 64)
	}
	return key, err == nil
}
