package index

import (
	"bytes"
	"slices"
	"strings"
)

// texts are the kinds of text that can be searched for a part.
const (
	nameText = iota
	idText
	texts
)

// text is the names or ids of a page in lower case, each after a zero byte, and one more
// of those: one search finds all rows that have a part. A zero byte within a name or id is
// left out. It is read and written with the index's lock held.
type text struct {
	bytes   []byte
	rows    int    // that have an entry
	version uint32 // grows with each change
}

// write sets the text of a row, the next one or one before.
func (t *text) write(row int, own string) {
	t.version++
	own = strings.ReplaceAll(strings.ToLower(own), "\x00", "")
	if row == t.rows {
		if t.rows == 0 {
			t.bytes = append(t.bytes, 0)
		}
		t.bytes = append(append(t.bytes, own...), 0)
		if t.rows++; t.rows == pageRows {
			t.bytes = bytes.Clone(t.bytes) // without the room append left
		}
		return
	}
	begin := 1
	for range row {
		begin += bytes.IndexByte(t.bytes[begin:], 0) + 1
	}
	end := begin + bytes.IndexByte(t.bytes[begin:], 0)
	t.bytes = slices.Replace(t.bytes, begin, end, []byte(own)...)
}

// bits is a set of a page's rows.
type bits [pageRows / 64]uint64

func (b *bits) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b *bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b *bits) keep(other *bits) {
	for i := range b {
		b[i] &= other[i]
	}
}

// having are the rows whose text contains part, which is not empty and in lower case.
func (t *text) having(part []byte) (found bits) {
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
