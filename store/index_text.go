package store

import (
	"bytes"
	"strings"
)

// texts are the kinds of text that can be searched for a part.
const (
	nameText = iota
	idText
	texts
)

// text is the names or ids of a page in lower case, each after a zero byte, and one more
// of those: one search finds all rows that have a part. It is made when first asked for;
// a zero byte within a text is left out. It must be called with the index's lock held.
func (p *page) text(kind int) []byte {
	if made := p.texts[kind].Load(); made != nil {
		return *made
	}
	var text []byte
	for i := range p.rows {
		own := p.rows[i].name
		if kind == idText {
			own = string(p.rows[i].id)
		}
		text = append(text, 0)
		text = append(text, strings.ReplaceAll(strings.ToLower(own), "\x00", "")...)
	}
	text = bytes.Clone(append(text, 0)) // without the room append left
	p.texts[kind].Store(&text)
	return text
}

// forget says that the texts of a row changed.
func (s *shelf) forget(row int32, id, name bool) {
	p := s.pages[row/pageRows]
	if id {
		p.texts[idText].Store(nil)
	}
	if name {
		p.texts[nameText].Store(nil)
	}
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

// having are the rows whose text contains part or, with atStart, begins with it. part is
// not empty and in lower case.
func having(text []byte, part string, atStart bool) (found bits) {
	needle, lead := []byte(part), 0
	if atStart {
		needle, lead = append([]byte{0}, part...), 1
	}
	row := -1 // of the byte before at
	for at := 0; ; {
		i := bytes.Index(text[at:], needle)
		if i < 0 {
			return found
		}
		hit := at + i + lead
		row += bytes.Count(text[at:hit], []byte{0})
		found.add(row)
		at = hit + bytes.IndexByte(text[hit:], 0)
	}
}
