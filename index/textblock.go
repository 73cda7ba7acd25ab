package index

import (
	"bytes"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// The texts of a row that can be searched.
const (
	nameText = iota
	idText
	factTexts // see factsText
	noteTexts
	texts
)

// searchable is a name or an id as a textBlock holds it: a search ignores case.
func searchable(text string) string { return strings.ReplaceAll(strings.ToLower(text), "\x00", "") }

// anyText are the texts that a search for DeviceQuery.Text looks at.
var anyText = []int{idText, nameText, noteTexts}

// searchableNotes is the part of notes that is searched.
func searchableNotes(notes string) string {
	return searchable(strings.ToValidUTF8(notes[:min(len(notes), fleet.MaxSearchedNotes)], ""))
}

// textBlock is the names, the ids or the facts of a block, with a zero byte before each and at
// the end: one search finds all rows that contain a substring. It is read and written with the
// index's lock held.
type textBlock struct {
	bytes   []byte
	rows    int    // that have a text
	version uint32 // grows with each change
}

// set sets the text of a row, without zero bytes: of the next one, or of one that has a text.
func (t *textBlock) set(row int, own string) {
	t.version++
	if row == t.rows {
		if t.rows == 0 {
			t.bytes = append(t.bytes, 0)
		}
		t.bytes = append(append(t.bytes, own...), 0)
		if t.rows++; t.rows == blockRows {
			t.bytes = bytes.Clone(t.bytes) // without spare capacity
		}
		return
	}
	begin, end := t.place(row)
	t.bytes = slices.Replace(t.bytes, begin, end, []byte(own)...)
}

// place is where the text of a row that has one begins and ends.
func (t *textBlock) place(row int) (begin, end int) {
	begin = 1
	for range row {
		begin += bytes.IndexByte(t.bytes[begin:], 0) + 1
	}
	return begin, begin + bytes.IndexByte(t.bytes[begin:], 0)
}

// bits is a set of rows of a block.
type bits [blockRows / 64]uint64

func (b *bits) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b *bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b *bits) unite(other bits) {
	for i := range b {
		b[i] |= other[i]
	}
}

func (b *bits) intersect(other *bits) {
	for i := range b {
		b[i] &= other[i]
	}
}

// containing returns the rows whose text contains part, which must not be empty and be in lower
// case.
func (t *textBlock) containing(part []byte) (found bits) {
	row := -1 // of the byte before at
	for at := 0; ; {
		i := bytes.Index(t.bytes[at:], part)
		if i < 0 {
			return found
		}
		hit := at + i
		row += bytes.Count(t.bytes[at:hit], []byte{0})
		found.add(row)
		at = hit + bytes.IndexByte(t.bytes[hit:], 0)
	}
}
